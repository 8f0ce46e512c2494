package daemon

import (
	"os"
	"reflect"
	"regexp"
	"slices"
	"testing"
)

// Only mappings of files that are neither writable nor changed are released.
func TestUnchangedFiles(t *testing.T) {
	const smaps = `00400000-00c49000 r-xp 00000000 fe:00 13222720                           /usr/bin/fanfare
Size:               8484 kB
Rss:                3068 kB
Anonymous:             0 kB
VmFlags: rd ex mr mw me
00c49000-01600000 r--p 00849000 fe:00 13222720                           /usr/bin/fanfare
Anonymous:             4 kB
01600000-01700000 rw-p 01200000 fe:00 13222720                           /usr/bin/fanfare
Anonymous:             0 kB
01700000-01800000 rw-p 00000000 00:00 0 
Anonymous:             0 kB
7f0000000000-7f0000001000 r--p 00000000 fe:00 42                         /usr/lib/libc.so.6
Anonymous:             0 kB
7f0000001000-7f0000002000 r--s 00000000 fe:00 43                         /usr/share/a file
Anonymous:             0 kB
7fff00000000-7fff00001000 r-xp 00000000 00:00 0                          [vdso]
Anonymous:             0 kB
`
	want := []mapping{{0x400000, 0xc49000, "/usr/bin/fanfare"}, {0x7f0000000000, 0x7f0000001000, "/usr/lib/libc.so.6"}}
	if got := unchangedFiles([]byte(smaps)); !slices.Equal(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
}

// The pages of a cold package are released, and its code runs afterwards as before.
func TestReleaseCode(t *testing.T) {
	compile, read := reflect.ValueOf(regexp.Compile).Pointer(), reflect.ValueOf(os.ReadFile).Pointer()
	if cold := []string{"regexp"}; !isCold(compile, cold) || isCold(read, cold) {
		t.Fatal("the packages of functions are not told apart")
	}
	for range 3 {
		ReleaseCode("regexp", "github.com/")
		if !regexp.MustCompile(`^a+b`).MatchString("aab") {
			t.Fatal("code has changed")
		}
	}
}
