package consent_test

import (
	"testing"

	"github.com/zoom-operator/zoom-operator/test/controlplane"
)

func TestMain(m *testing.M) { controlplane.Main(m) }
