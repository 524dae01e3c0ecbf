package volumetest_test

import (
	"testing"

	"altostack/volume"
	"altostack/volume/volumetest"
)

func TestBackend(t *testing.T) {
	volumetest.RunBackend(t, func(*testing.T) volume.Backend { return volumetest.NewBackend() })
}
