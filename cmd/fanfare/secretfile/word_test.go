package secretfile

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestWord(t *testing.T) {
	file := filepath.Join(t.TempDir(), "secret")
	for text, says := range map[string]string{
		" sesame\n": "", "sesame": "", "\n": "contains 0 words", "sesame sesame": "contains 2 words", strings.Repeat("sesame", 5000): "has more than 8192 bytes",
	} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := Word(file)
		switch {
		case says == "" && (err != nil || got != "sesame"):
			t.Errorf("%q: %q, %v", text, got, err)
		case says != "" && (err == nil || !strings.Contains(err.Error(), file+": the file "+says) || strings.Contains(err.Error(), "sesame")):
			t.Errorf("%.20q: %v", text, err)
		}
	}
	for _, name := range []string{"", file + "x"} {
		if _, err := Word(name); err == nil {
			t.Errorf("%q: no error", name)
		}
	}
}
