//go:build labkit_null

package labkit_test

import "testing"

func TestAProgramWithoutTheLibraryRunsAndSaysSoOnce(t *testing.T) {
	work(t, "labkit_null")
}
