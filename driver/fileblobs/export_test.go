package fileblobs

import (
	"os"

	"altostack/image"
)

// Redirect makes a blob's bytes go elsewhere.
func Redirect(w image.BlobWriter, f *os.File) {
	to := w.(*writer)
	_ = to.Close()
	to.File = f
}
