package config

import "github.com/fanfare-ws/fanfare/cmd/internal/daemon"

// Size is a number of bytes. Its text form is that of [daemon.ParseSize].
type Size int

func (s Size) String() string { return daemon.FormatSize(int(s)) }

// Secret is a word that must not be shown. Its methods for printing mask it; convert it to a string to use it.
type Secret string

func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return "********"
}

// GoString is what %#v prints.
func (s Secret) GoString() string { return s.String() }

// MarshalText is what encoders use, such as those of log/slog.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }
