package agent

import (
	"context"
	"io"
	"net/http"
	"strings"
	"sync"

	"altostack/hostapi"
	"altostack/kernel/fault"
)

// images brings the images of the guest's disks to the host: steps 20 to 22.
func (a *Agent) images(ctx context.Context, t *trace, guest hostapi.Guest) error {
	var images []hostapi.DiskImage
	for _, d := range guest.Disks {
		if d.Image != nil {
			images = append(images, *d.Image)
		}
	}
	if len(images) == 0 {
		t.skip(attrs{"reason": "no disk starts from an image"}, 20, 21, 22)
		return nil
	}
	for _, image := range images {
		if err := a.image(ctx, t, image); err != nil {
			return err
		}
	}
	return nil
}

func (a *Agent) image(ctx context.Context, t *trace, image hostapi.DiskImage) error {
	end := t.begin(20)
	cached, err := a.cfg.Disks.Cached(ctx, image)
	if err != nil {
		err = diskFault(err, "look into its image cache")
		end(err, attrs{"image_id": image.ID})
		return err
	}
	if cached && a.cfg.TrustCache {
		end(nil, attrs{"image_id": image.ID, "cached": true})
		now := a.cfg.Clock.Now()
		t.add(21, now, 0, nil, attrs{"cached": true})
		t.add(22, now, 0, nil, attrs{"cached": true, "image_id": image.ID})
		return nil
	}
	ans, err := a.checkImage(ctx, image)
	if err != nil {
		end(err, attrs{"image_id": image.ID, "cached": cached})
		return err
	}
	end22 := t.begin(22)
	if !cached {
		err = a.downloads.once(ctx, a.run, image, a.download)
	}
	end22(err, nil)
	a.spansOf(t, 20, ans, err, attrs{"image_id": image.ID},
		attrs{"image_id": image.ID, "cached": cached, "bytes": image.Bytes, "format": image.Format})
	return err
}

// checkImage asks whether the image may still be used, which also notices one
// that was deleted or deactivated since the host cached it.
func (a *Agent) checkImage(ctx context.Context, image hostapi.DiskImage) (*answer, error) {
	var seen struct {
		Status string `json:"status"`
		Algo   string `json:"os_hash_algo"`
		Hash   string `json:"os_hash_value"`
	}
	ans, err := a.getJSON(ctx, "image", a.cfg.Endpoints.Image+"/v2/images/"+image.ID, nil, &seen)
	if err != nil {
		return nil, err
	}
	switch {
	case ans.StatusCode != http.StatusOK:
		return nil, fault.New(fault.CodeAgentImageUnavailable, "The image service answered %d for image %s.", ans.StatusCode, image.ID)
	case seen.Status != "active":
		return nil, fault.New(fault.CodeAgentImageUnavailable, "Image %s is %s, not active.", image.ID, seen.Status)
	case seen.Algo != "" && !strings.EqualFold(seen.Hash, image.SHA512):
		return nil, fault.New(fault.CodeAgentImageUnavailable, "Image %s has other data now than when the server was asked for.", image.ID)
	}
	return ans, nil
}

// download streams an image into the cache.
func (a *Agent) download(ctx context.Context, image hostapi.DiskImage) error {
	if cached, err := a.cfg.Disks.Cached(ctx, image); cached || err != nil {
		return diskFault(err, "look into its image cache") // somebody else was first
	}
	ans, err := a.get(ctx, "image", a.cfg.Endpoints.Image+"/v2/images/"+image.ID+"/file", nil)
	if err != nil {
		return err
	}
	defer func() { _ = ans.Body.Close() }() // read to its end, or given up
	if ans.StatusCode != http.StatusOK {
		return fault.New(fault.CodeAgentImageUnavailable, "The image service answered %d for the data of image %s.", ans.StatusCode, image.ID)
	}
	body := &download{r: ans.Body}
	if err := a.cfg.Disks.Store(ctx, image, body); err != nil {
		if body.err != nil && ctx.Err() == nil {
			return fault.Because(body.err, fault.CodeAgentServiceUnavailable, "The download of image %s broke off.", image.ID)
		}
		return diskFault(err, "store image %s", image.ID)
	}
	return nil
}

// download remembers whether reading failed, as opposed to storing.
type download struct {
	r   io.Reader
	err error
}

// Read reads on.
func (d *download) Read(p []byte) (int, error) {
	n, err := d.r.Read(p)
	if err != nil && err != io.EOF {
		d.err = err
	}
	return n, err
}

// downloads makes all who want an image wait for one download of it. It goes on
// while anybody waits, and ends when the last has given up.
type downloads struct {
	mu   sync.Mutex
	byID map[string]*flight
}

type flight struct {
	done    chan struct{}
	err     error
	waiting int
	stop    func()
}

func (d *downloads) once(ctx context.Context, start func(func(context.Context)) bool, image hostapi.DiskImage,
	fetch func(context.Context, hostapi.DiskImage) error) error {
	d.mu.Lock()
	if d.byID == nil {
		d.byID = map[string]*flight{}
	}
	key := image.ID + image.SHA512
	f := d.byID[key]
	if f == nil {
		giveUp := make(chan struct{})
		f = &flight{done: make(chan struct{}), stop: sync.OnceFunc(func() { close(giveUp) })}
		if !start(func(ctx context.Context) { d.fly(ctx, key, f, giveUp, image, fetch) }) {
			d.mu.Unlock()
			return errClosing
		}
		d.byID[key] = f
	}
	f.waiting++
	d.mu.Unlock()

	select {
	case <-f.done:
		return f.err
	case <-ctx.Done():
		d.mu.Lock()
		defer d.mu.Unlock()
		if f.waiting--; f.waiting == 0 {
			f.stop()
			if d.byID[key] == f {
				delete(d.byID, key) // the next one starts afresh
			}
		}
		return ctx.Err()
	}
}

// fly downloads once, until all have given up.
func (d *downloads) fly(ctx context.Context, key string, f *flight, giveUp <-chan struct{}, image hostapi.DiskImage,
	fetch func(context.Context, hostapi.DiskImage) error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-giveUp:
			cancel()
		case <-f.done:
		}
	}()
	err := fetch(ctx, image)
	d.mu.Lock()
	defer d.mu.Unlock()
	f.err = err
	if d.byID[key] == f {
		delete(d.byID, key)
	}
	close(f.done)
}
