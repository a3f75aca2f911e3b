package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const good = `package v1alpha1

// Conditions of a Door.
const (
	// ConditionReady sums up.
	//
	// Of a Door: it can be used.
	//
	// True: Fits. False: Locked,
	// Stuck.
	//
	// Of a Window: it can be looked through.
	//
	// True: Fits.
	ConditionReady = "Ready"
)

// Reasons.
const (
	// ReasonFits means that it fits.
	ReasonFits = "Fits"
	// ReasonLocked means that somebody
	// locked it.
	ReasonLocked = "Locked"
	// ReasonStuck means that nobody did.
	ReasonStuck = "Stuck"
)

// Conditions of a Window; Ready is shared.
const (
	// ConditionOpen says whether it is open.
	//
	// Unknown: Fits.
	ConditionOpen = "Open"
)
`

func TestConditions(t *testing.T) {
	page, err := conditions([]byte(good))
	if err != nil {
		t.Fatal(err)
	}
	want := preface + `
## Door

### Ready of a Door

Sums up.

It can be used.

| Status | Reason | Meaning |
|---|---|---|
| True | Fits | It fits. |
| False | Locked | Somebody locked it. |
| False | Stuck | Nobody did. |

## Window

### Ready of a Window

Sums up.

It can be looked through.

| Status | Reason | Meaning |
|---|---|---|
| True | Fits | It fits. |

### Open of a Window

Says whether it is open.

| Status | Reason | Meaning |
|---|---|---|
| Unknown | Fits | It fits. |
`
	if diff := cmp.Diff(want, string(page)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestConditionsThatDoNotFit(t *testing.T) {
	for name, tc := range map[string]struct{ old, new, want string }{
		"a reason that is not declared":  {"True: Fits. False", "True: Fine. False", "Ready of a Door can have the reason Fine, which is not declared"},
		"a reason that no condition has": {"Locked,\n\t// Stuck.", "Locked.", "the reason Stuck belongs to no condition"},
		"a condition without reasons":    {"// Unknown: Fits.", "// Or not.", "the comment of Open of a Window lists no reasons"},
		"a reason that says nothing":     {"ReasonFits means that it fits.", "It fits.", `the comment of ReasonFits must begin with "ReasonFits means that"`},
		"a constant with another name":   {"ReasonStuck = ", "ReasonJammed = ", "ReasonJammed is neither ConditionStuck nor ReasonStuck"},
		"a source that is not one":       {"package v1alpha1", "pack", "expected 'package'"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := conditions([]byte(strings.Replace(good, tc.old, tc.new, 1)))
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("the error is %v, want %q", err, tc.want)
			}
		})
	}
}
