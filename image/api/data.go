package api

import (
	"io"
	"mime"
	"net/http"
	"strconv"
	"time"

	"altostack/image"
	"altostack/kernel/auth"
	"altostack/kernel/fault"
	"altostack/kernel/rest"
)

func (a *API) upload(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	img, scope, body, err := a.incoming(r, scope, "upload_image")
	if err != nil {
		return err
	}
	store := r.Header.Get("X-Image-Meta-Store")
	if err := a.images.UploadTo(r.Context(), scope, img.ID, store, body); fault.Has(err, fault.CodeImageNoStore) {
		return invalid("Invalid backend value: no store %s", store)
	} else if err != nil {
		return err
	}
	return rest.Empty(w, http.StatusNoContent)
}

// incoming is an image whose data a request carries, and the data.
func (a *API) incoming(r *http.Request, scope auth.Scope, rule string) (image.Image, auth.Scope, io.Reader, error) {
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || media != "application/octet-stream" {
		return image.Image{}, scope, nil, fault.New(fault.CodeImageBadContentType, "Invalid content type %s", media)
	}
	img, scope, err := a.may(r, scope, rule)
	if err != nil {
		return img, scope, nil, err
	}
	if limit := a.images.Limits().ImageBytes; limit > 0 && r.ContentLength > limit {
		return img, scope, nil, fault.New(fault.CodeImageTooLarge, "The image of %d bytes is larger than %d, the limit for one image.", r.ContentLength, limit)
	}
	if text := r.Header.Get("X-Openstack-Image-Size"); text != "" {
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil || n < 0 {
			return img, scope, nil, invalid("Invalid or missing image size in request headers.")
		}
		return img, scope, &exactly{r: r.Body, left: n}, nil
	}
	return img, scope, r.Body, nil
}

// exactly fails where a body has not the size that its sender promised.
type exactly struct {
	r    io.Reader
	left int64
}

func (e *exactly) Read(p []byte) (int, error) {
	n, err := e.r.Read(p)
	e.left -= int64(n)
	if e.left < 0 || err == io.EOF && e.left != 0 {
		return n, invalid("The size of the data received is not the size given in the request's header.")
	}
	return n, err
}

func (a *API) download(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	img, _, err := a.may(r, scope, "get_image")
	if err != nil {
		return hidden(err, r)
	}
	if _, _, err := a.may(r, scope, "download_image"); err != nil {
		return err
	}
	if img.Status != image.Active && img.Status != image.Deactivated {
		return rest.Empty(w, http.StatusNoContent)
	}
	data, img, err := a.images.OpenBlob(r.Context(), scope, img.ID)
	if err != nil {
		return err
	}
	defer data.Close()
	h := w.Header()
	h.Set("Content-Type", "application/octet-stream")
	h.Set("Content-Md5", img.Checksum)
	// ServeContent knows ranges, and copies in the kernel where it can.
	http.ServeContent(w, r, "", time.Time{}, data)
	return nil
}
