package image

import (
	"maps"
	"slices"

	"altostack/kernel/fault"
	"altostack/kernel/id"
)

// DiskFormats and ContainerFormats are those of Glance's default configuration.
var (
	DiskFormats      = []string{"ami", "ari", "aki", "vhd", "vhdx", "vmdk", "raw", "qcow2", "vdi", "iso", "ploop"}
	ContainerFormats = []string{"ami", "ari", "aki", "bare", "ovf", "ova", "docker", "compressed"}
)

const (
	maxName  = 255
	maxValue = 65535 // bytes of one property's value

	// reservedPrefix starts the names of properties that only the service sets.
	reservedPrefix = "os_glance"
)

func invalid(format string, args ...any) error {
	return fault.New(fault.CodeImageInvalid, format, args...)
}

// validate checks what may be said of an image on its own.
func (i *Image) validate() error {
	if !id.IsUUID(i.ID) || len(i.ID) != 36 {
		return invalid("Invalid image id format: %s", i.ID)
	}
	for field, v := range map[string]string{"name": i.Name, "owner": i.Owner} {
		if len([]rune(v)) > maxName {
			return invalid("Provided object does not match schema 'image': '%.20s…' is too long for %s: at most %d characters", v, field, maxName)
		}
	}
	if i.DiskFormat != "" && !slices.Contains(DiskFormats, i.DiskFormat) {
		return invalid("Invalid disk format '%s' for image.", i.DiskFormat)
	}
	if i.ContainerFormat != "" && !slices.Contains(ContainerFormats, i.ContainerFormat) {
		return invalid("Invalid container format '%s' for image.", i.ContainerFormat)
	}
	if !slices.Contains([]string{Public, Private, Shared, Community}, i.Visibility) {
		return invalid("Invalid visibility value: %s", i.Visibility)
	}
	if i.MinDiskGiB < 0 || i.MinRAMMiB < 0 || i.MinDiskGiB > 1<<31-1 || i.MinRAMMiB > 1<<31-1 {
		return invalid("min_disk and min_ram must be whole numbers from 0 to 2147483647.")
	}
	return i.validateLists()
}

func (i *Image) validateLists() error {
	for name, v := range i.Properties {
		if len(name) > maxName || name == "" {
			return invalid("Custom property should not be greater than 255 characters.")
		}
		if len(v) > maxValue {
			return invalid("The value of property %s is longer than %d bytes.", name, maxValue)
		}
	}
	for _, t := range i.Tags {
		if len([]rune(t)) > maxName || t == "" {
			return invalid("A tag has 1 to 255 characters.")
		}
	}
	return nil
}

// mayBecome checks a change against what the image was.
func (i *Image) mayBecome(to Image) error {
	pairs := [][3]string{{"disk_format", i.DiskFormat, to.DiskFormat}, {"container_format", i.ContainerFormat, to.ContainerFormat}}
	for _, p := range pairs {
		if p[1] != p[2] && i.Status != Queued {
			return fault.New(fault.CodeImageForbidden, "Attribute %s can be only replaced for a queued image.", p[0])
		}
	}
	if i.Status != Active && to.Status == Deactivated || i.Status == Queued && to.Status == Active {
		return fault.New(fault.CodeImageForbidden, "Not allowed to deactivate image in status '%s'", i.Status)
	}
	return nil
}

// keep puts back what only the service itself may change.
func (i *Image) keep(was Image) {
	i.ID, i.CreatedAt, i.Size, i.VirtualSize = was.ID, was.CreatedAt, was.Size, was.VirtualSize
	i.Checksum, i.HashAlgo, i.HashValue = was.Checksum, was.HashAlgo, was.HashValue
	i.Blob, i.Uploader, i.Deadline, i.Locations = was.Blob, was.Uploader, was.Deadline, was.Locations
}

func (i Image) clone() Image {
	i.Properties, i.Tags, i.Locations = maps.Clone(i.Properties), slices.Clone(i.Tags), slices.Clone(i.Locations)
	if i.Properties == nil {
		i.Properties = map[string]string{}
	}
	return i
}

func tidyTags(tags []string) []string {
	tags = slices.Clone(tags)
	slices.Sort(tags)
	return slices.Compact(tags)
}
