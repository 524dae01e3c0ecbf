package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"altostack/client"
	"altostack/image/catalogue"
)

// catalogFlags are what the commands of the catalogue share.
type catalogFlags struct{ data, arch, dir string }

func catalogCommand() *cobra.Command {
	var f catalogFlags
	cmd := &cobra.Command{Use: "catalog", Aliases: []string{"catalogue"}, Short: "Ready images of operating systems",
		Long: `Ready images of operating systems, with the hashes that their bytes must have.
The list is data: a file catalogue.yaml in the data directory adds to it or changes
it. list and show need nothing; download and add need a network that reaches the
distributor, and take nothing whose hash is wrong.`}
	list := &cobra.Command{Use: "list", Short: "List what there is", Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error { return f.list(cmd) }}
	show := &cobra.Command{Use: "show NAME", Short: "Show where an image comes from and what it needs", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return f.show(cmd, args[0]) }}
	download := &cobra.Command{Use: "download NAME", Short: "Fetch an image and check it (needs a network)", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			img, err := f.find(args[0])
			if err != nil {
				return err
			}
			file, err := f.fetch(cmd, img)
			if err == nil {
				fmt.Fprintln(cmd.OutOrStdout(), file)
			}
			return err
		}}
	var name, visibility string
	add := &cobra.Command{Use: "add NAME", Short: "Fetch an image, check it and put it into the cloud (needs a network)", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return f.add(cmd, args[0], name, visibility) }}
	add.Flags().StringVar(&name, "name", "", "name of the image in the cloud; the catalogue's without it")
	add.Flags().StringVar(&visibility, "visibility", "public", "public, private, shared or community")
	for _, c := range []*cobra.Command{list, show, download, add} {
		dataFlag(c, &f.data)
	}
	for _, c := range []*cobra.Command{show, download, add} {
		c.Flags().StringVar(&f.arch, "arch", map[string]string{"amd64": "x86_64", "arm64": "aarch64"}[runtime.GOARCH], "processor: x86_64 or aarch64")
	}
	for _, c := range []*cobra.Command{download, add} {
		c.Flags().StringVar(&f.dir, "dir", "", "folder for downloads; without it, one in the user's cache")
	}
	cmd.AddCommand(list, show, download, add)
	return cmd
}

func (f *catalogFlags) load() ([]catalogue.Image, error) {
	return catalogue.Load(filepath.Join(f.data, "catalogue.yaml"))
}

func (f *catalogFlags) find(name string) (catalogue.Image, error) {
	list, err := f.load()
	if err != nil {
		return catalogue.Image{}, err
	}
	img, err := catalogue.Named(list, name)
	if err != nil {
		return img, err
	}
	return img.For(f.arch)
}

func (f *catalogFlags) list(cmd *cobra.Command) error {
	list, err := f.load()
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(cmd.OutOrStdout(), 2, 4, 2, ' ', 0)
	fmt.Fprintln(w, "NAME\tSYSTEM\tUSER\tDISK GIB\tRAM MIB\tPROCESSORS")
	for _, i := range list {
		fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%d\t%s\n", i.Name, i.Title, i.User, i.MinDisk, i.MinRAM, strings.Join(slices.Sorted(maps.Keys(i.Arches)), ", "))
	}
	return w.Flush()
}

func (f *catalogFlags) show(cmd *cobra.Command, name string) error {
	i, err := f.find(name)
	if err != nil {
		return err
	}
	checked := "pinned " + i.Algorithm + " " + i.Hash
	if i.Hash == "" {
		checked = i.Algorithm + " of " + i.Sums
	}
	w := tabwriter.NewWriter(cmd.OutOrStdout(), 2, 4, 2, ' ', 0)
	for _, row := range [][2]string{{"name", i.Name}, {"system", i.Title}, {"url", i.URL}, {"checked by", checked}, {"format", i.Format}, {"user", i.User},
		{"least disk", fmt.Sprint(i.MinDisk, " GiB")}, {"least memory", fmt.Sprint(i.MinRAM, " MiB")}} {
		fmt.Fprintf(w, "%s\t%s\n", row[0], row[1])
	}
	for _, name := range slices.Sorted(maps.Keys(i.Properties)) {
		fmt.Fprintf(w, "%s\t%s\n", name, i.Properties[name])
	}
	return w.Flush()
}

func (f *catalogFlags) fetch(cmd *cobra.Command, img catalogue.Image) (string, error) {
	dir := f.dir
	if dir == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			return "", coded{errors.New("--dir says where downloads go; this user has no cache folder"), exitUsage}
		}
		dir = filepath.Join(cache, "altostack", "images")
	}
	out := cmd.ErrOrStderr()
	fetcher := catalogue.Fetcher{Dir: dir, Progress: func(have, of int64) { fmt.Fprintf(out, "%s: %d of %d MiB\n", img.Name, have>>20, of>>20) },
		Client: &http.Client{Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, DialContext: (&net.Dialer{Timeout: 15 * time.Second}).DialContext,
			TLSHandshakeTimeout: 15 * time.Second, ResponseHeaderTimeout: time.Minute}}}
	return fetcher.Get(cmd.Context(), img)
}

// add leaves no image in the cloud whose data is not what was checked here.
func (f *catalogFlags) add(cmd *cobra.Command, entry, name, visibility string) error {
	img, err := f.find(entry)
	if err != nil {
		return err
	}
	if name == "" {
		name = img.Title
	}
	cloud, err := session(cmd, f.data)
	if err != nil {
		return err
	}
	file, err := f.fetch(cmd, img)
	if err != nil {
		return err
	}
	ctx := cmd.Context()
	body := map[string]any{"name": name, "disk_format": img.Format, "container_format": "bare", "visibility": visibility, "min_disk": img.MinDisk, "min_ram": img.MinRAM,
		"architecture": f.arch, "os_admin_user": img.User}
	for k, v := range img.Properties {
		body[k] = v
	}
	var made struct{ ID string }
	if err := cloud.Do(ctx, "POST", "image", "/v2/images", body, &made); err != nil {
		return err
	}
	if err := upload(ctx, cloud, made.ID, file); err != nil {
		return errors.Join(err, cloud.Do(context.WithoutCancel(ctx), "DELETE", "image", "/v2/images/"+made.ID, nil, nil))
	}
	fmt.Fprintln(cmd.OutOrStdout(), made.ID)
	return nil
}

// upload sends a file and compares what arrived with it.
func upload(ctx context.Context, cloud *client.Cloud, id, file string) error {
	data, err := os.Open(file)
	if err != nil {
		return err
	}
	defer data.Close()
	st, err := data.Stat()
	if err != nil {
		return err
	}
	base, err := cloud.Endpoint("image")
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, base+"/v2/images/"+id+"/file", data)
	if err != nil {
		return err
	}
	req.ContentLength = st.Size()
	req.Header.Set("Content-Type", "application/octet-stream")
	req.Header.Set("X-Auth-Token", cloud.Token())
	resp, err := (&http.Client{Transport: cloud.HTTP.Transport}).Do(req) // takes as long as it takes
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusNoContent {
		var m struct{ Message string }
		_ = json.NewDecoder(resp.Body).Decode(&m) // the status says enough without it
		return fmt.Errorf("the upload was answered %s: %s", resp.Status, m.Message)
	}
	var got struct {
		Algo  string `json:"os_hash_algo"`
		Value string `json:"os_hash_value"`
	}
	if err := cloud.Do(ctx, "GET", "image", "/v2/images/"+id, nil, &got); err != nil {
		return err
	}
	want, err := catalogue.HashOf(file, got.Algo)
	if err == nil && want != got.Value {
		err = fmt.Errorf("other bytes arrived than were sent: %s %s, wanted %s", got.Algo, got.Value, want)
	}
	return err
}
