package config

import (
	"hash/maphash"
	"io"
	"os"
	"reflect"
	"slices"
	"strings"
)

// Contents are hashes of what the files contain that a configuration names and a reload reads again, by the paths of the
// fields that name them. They are of use in the same process only, and tell nothing about secrets.
type Contents map[string]uint64

var contentSeed = maphash.MakeSeed()

// Contents reads the files. One that cannot be read counts as empty.
func (c *Config) Contents() Contents {
	all := make(Contents)
	v := reflect.ValueOf(c).Elem()
	for _, f := range settings().fields {
		if files := f.files(v); len(files) > 0 && (f.live || strings.HasPrefix(f.path, "tls.")) && f.path != "tls.acme.ca-root" {
			all[f.path] = hashFiles(files)
		}
	}
	return all
}

// files returns the names of the files that a field of a configuration has.
func (f *field) files(v reflect.Value) (names []string) {
	value := f.of(v)
	if f.rows() {
		for i := range value.Len() {
			for _, col := range columns[f.typ.Elem()].fields {
				names = append(names, col.files(value.Index(i))...)
			}
		}
		return names
	}
	if !strings.HasPrefix(f.placeholder, "FILE") || value.Len() == 0 {
		return nil
	}
	if list, ok := value.Interface().([]string); ok {
		return list
	}
	return []string{value.String()}
}

func hashFiles(names []string) uint64 {
	var h maphash.Hash
	h.SetSeed(contentSeed)
	for _, name := range names {
		f, err := os.Open(name)
		if err != nil {
			continue
		}
		_, _ = io.Copy(&h, io.LimitReader(f, maxFile))
		f.Close()
		_ = h.WriteByte(0) // so that what moves from one file to the next is a change
	}
	return h.Sum64()
}

// With returns the changes with the fields whose files have other contents now, in the order of the fields.
func (c Changes) With(old, now Contents) Changes {
	live := []string{}
	for _, f := range settings().fields {
		before, was := old[f.path]
		after, is := now[f.path]
		if slices.Contains(c.Live, f.path) || was && is && before != after && !slices.Contains(c.Restart, f.path) {
			live = append(live, f.path)
		}
	}
	c.Live = live
	return c
}
