package main

import "testing"

func TestFirstError(t *testing.T) {
	const fine = `{"level":"INFO","msg":"ERROR is only a word here"}` + "\n"
	for name, tt := range map[string]struct{ log, want string }{
		"an empty log":             {"", ""},
		"lines that are all right": {fine + fine, ""},
		"an error":                 {fine + `{"level":"ERROR","msg":"x"}` + "\n" + fine, `{"level":"ERROR","msg":"x"}`},
		"a panic":                  {fine + "panic: oh\n\ngoroutine 1 [running]:\n", "panic: oh"},
		"JSON of another kind":     {"{}\n", "{}"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := firstError(tt.log); got != tt.want {
				t.Errorf("firstError = %q, want %q", got, tt.want)
			}
		})
	}
}
