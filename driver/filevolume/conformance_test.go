package filevolume

import (
	"testing"

	"altostack/volume"
	"altostack/volume/volumetest"
)

func TestBackend(t *testing.T) {
	volumetest.RunBackend(t, func(t *testing.T) volume.Backend { return open(t, Config{}) })
}
