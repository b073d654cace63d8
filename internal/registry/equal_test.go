package registry_test

import (
	"reflect"

	"parley/internal/provider"
)

// equal compares providers, secrets included.
func equal(a, b provider.Provider) bool { return reflect.DeepEqual(a, b) }
