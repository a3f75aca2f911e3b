// Package sentences checks how the messages of conditions read, which are for people: a name that
// is renamed everywhere in the code easily takes a word out of a message, and no other test looks.
package sentences

import (
	"errors"
	"fmt"
	"regexp"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

var (
	// whole are sentences with one space between them. They may begin with the name of an object or
	// a field.
	whole = regexp.MustCompile(`^\S+( \S+)*[.]$`)
	// dangling is a word that another one has to follow.
	dangling = regexp.MustCompile(`\b(the|an|of|at|by|its)[.,;:]`)
)

// Check returns an error for each message that is not made of whole sentences.
func Check(conditions []metav1.Condition) error {
	var errs []error
	for _, c := range conditions {
		if !whole.MatchString(c.Message) || dangling.MatchString(c.Message) {
			errs = append(errs, fmt.Errorf("the message of %s %s is not made of whole sentences: %q", c.Type, c.Reason, c.Message))
		}
	}
	return errors.Join(errs...)
}
