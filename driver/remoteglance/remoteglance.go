// Package remoteglance reads images of other clouds through their image service,
// as the user who asks, with that user's token. Which cloud a region's name means
// the catalog of the identity service decides, never the user: so its addresses
// are the operator's, and redirects away from them are not followed.
//
// It serves image.Clouds and is safe for concurrent use. Wire format: OpenStack
// Image API v2.
package remoteglance

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"time"

	"altostack/image"
	"altostack/kernel/fault"
)

// Clouds are the image services of other regions.
type Clouds struct {
	// Endpoint answers the address of a region's image service; empty: there is none.
	Endpoint func(ctx context.Context, region, kind string) (string, error)
	client   *http.Client
}

const maxImage = 1 << 20 // bytes of an image's description

// New makes the client.
func New(endpoint func(ctx context.Context, region, kind string) (string, error)) *Clouds {
	return &Clouds{Endpoint: endpoint, client: &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport:     &http.Transport{DisableCompression: true, ResponseHeaderTimeout: time.Minute, TLSHandshakeTimeout: 15 * time.Second, DisableKeepAlives: true},
	}}
}

func failed(cause error, format string, args ...any) error {
	return fault.Because(cause, fault.CodeImageFetchFailed, format, args...)
}

func (c *Clouds) get(ctx context.Context, token string, ref image.RemoteRef, path string) (*http.Response, error) {
	base, err := c.Endpoint(ctx, ref.Region, ref.Interface)
	if err != nil {
		return nil, err
	}
	if base == "" {
		return nil, failed(nil, "The catalog has no image service in region %.255s with interface %.255s.", ref.Region, ref.Interface)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/v2/images/"+url.PathEscape(ref.ImageID)+path, nil)
	if err != nil {
		return nil, failed(err, "The image service of region %.255s has no usable address.", ref.Region)
	}
	r.Header.Set("X-Auth-Token", token)
	resp, err := c.client.Do(r)
	if err != nil {
		return nil, failed(err, "The image service of region %.255s cannot be reached.", ref.Region)
	}
	if resp.StatusCode != http.StatusOK {
		return nil, errors.Join(failed(nil, "The image service of region %.255s answered %d for image %s.", ref.Region, resp.StatusCode, ref.ImageID), resp.Body.Close())
	}
	return resp, nil
}

// Image answers what a region's image service says of an image.
func (c *Clouds) Image(ctx context.Context, token string, ref image.RemoteRef) (image.RemoteImage, error) {
	resp, err := c.get(ctx, token, ref, "")
	if err != nil {
		return image.RemoteImage{}, err
	}
	defer func() { _ = resp.Body.Close() }() // only read
	var all map[string]any
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxImage)).Decode(&all); err != nil {
		return image.RemoteImage{}, failed(err, "The image service of region %.255s does not answer as one.", ref.Region)
	}
	out := image.RemoteImage{Properties: map[string]string{}}
	for name, value := range all {
		text, is := value.(string)
		switch {
		case !is:
		case name == "status":
			out.Status = text
		case name == "disk_format":
			out.DiskFormat = text
		case name == "container_format":
			out.ContainerFormat = text
		default:
			out.Properties[name] = text
		}
	}
	return out, nil
}

// Data starts to read an image's data.
func (c *Clouds) Data(ctx context.Context, token string, ref image.RemoteRef) (io.ReadCloser, error) {
	resp, err := c.get(ctx, token, ref, "/file")
	if err != nil {
		return nil, err
	}
	return resp.Body, nil
}
