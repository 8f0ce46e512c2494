package wsproto

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestCodeValid(t *testing.T) {
	valid := map[Code]bool{1000: true, 1001: true, 1002: true, 1003: true, 1007: true, 1008: true, 1009: true, 1010: true,
		1011: true, 1012: true, 1013: true, 1014: true}
	for c := Code(3000); c < 5000; c++ {
		valid[c] = true
	}
	for c := range 1 << 16 {
		if Code(c).Valid() != valid[Code(c)] {
			t.Errorf("Code(%d).Valid() is %v", c, Code(c).Valid())
		}
		_, _, err := parseCloseBody([]byte{byte(c >> 8), byte(c)})
		if (err == nil) != valid[Code(c)] || err != nil && err != errCloseCode {
			t.Errorf("%d: %v", c, err)
		}
	}
}

func TestParseCloseBody(t *testing.T) {
	for _, tt := range []struct {
		in     string
		code   Code
		reason string
		err    error
	}{
		{"", NoStatusReceived, "", nil},
		{"\x03", 0, "", errCloseLength},
		{"\x03\xe8", 1000, "", nil},
		{"\x03\xe8bye", 1000, "bye", nil},
		{"\x0f\xa0κόσμε", 4000, "κόσμε", nil},
		{"\x03\xedx", 0, "", errCloseCode},
		{"\x03\xe8\xff", 0, "", errCloseReason},
		{"\x03\xe8ab\xe2\x82", 0, "", errCloseReason},
		{"\x03\xe8" + letters(123), 1000, letters(123), nil},
	} {
		code, reason, err := parseCloseBody([]byte(tt.in))
		if code != tt.code || reason != tt.reason || err != tt.err {
			t.Errorf("%q: %d, %q, %v", tt.in, code, reason, err)
		}
	}
}

func TestSayable(t *testing.T) {
	for _, tt := range []struct {
		code   Code
		reason string
		want   Code
		say    string
	}{
		{1000, "", 1000, ""},
		{1000, "bye", 1000, "bye"},
		{NoStatusReceived, "bye", NoStatusReceived, ""},
		{AbnormalClosure, "x", InternalError, "x"},
		{999, "x", InternalError, "x"},
		{5000, "", InternalError, ""},
		{4999, letters(123), 4999, letters(123)},
		{1000, letters(124), 1000, letters(123)},
		{1000, letters(122) + "é", 1000, letters(122)},
		{1000, letters(121) + "é", 1000, letters(121) + "é"},
		{1000, letters(120) + "\U0001f600", 1000, letters(120)},
		{1000, "a\xffb", 1000, "a\ufffdb"},
		{1000, strings.Repeat("\u20ac", 1000), 1000, strings.Repeat("\u20ac", 41)},
	} {
		code, reason := sanitizeClose(tt.code, tt.reason)
		if code != tt.want || reason != tt.say {
			t.Errorf("sanitizeClose(%d, %q): %d, %q", tt.code, tt.reason, code, reason)
		}
	}
}

func TestCloseErrorText(t *testing.T) {
	err := error(&CloseError{Code: 1002, Reason: "why", Err: errInvalidUTF8})
	if !errors.Is(err, errInvalidUTF8) || !strings.Contains(err.Error(), "1002") || !strings.Contains(err.Error(), `"why"`) || !strings.Contains(err.Error(), errInvalidUTF8.Rule) {
		t.Error(err)
	}
	for _, e := range []*CloseError{{Code: 1000, Remote: true}, {Code: AbnormalClosure, Err: io.EOF}} {
		if (strings.Contains(e.Error(), "the peer closed")) != e.Remote || e.Err == nil == strings.Contains(e.Error(), "EOF") {
			t.Error(e)
		}
	}
	wrapped := fmt.Errorf("read: %w", err)
	if !IsCloseError(wrapped) || !IsCloseError(wrapped, 1000, 1002) || IsCloseError(wrapped, 1000) || IsCloseError(io.EOF) || IsCloseError(nil) {
		t.Error("IsCloseError")
	}
}

func FuzzCloseBody(f *testing.F) {
	for _, s := range []string{"", "\x03", "\x03\xe8", "\x03\xe8bye", "\x03\xed", "\x0b\xb8\xff", "\x13\x88", "\x0f\xa0κόσμε"} {
		f.Add([]byte(s), uint16(1000), s)
	}
	f.Fuzz(func(t *testing.T, p []byte, c uint16, s string) {
		if code, reason, err := parseCloseBody(p); err == nil {
			if again := appendCloseBody(nil, code, reason); string(again) != string(p) {
				t.Errorf("%x was read as %d %q, which is written as %x", p, code, reason, again)
			}
		}
		code, reason := sanitizeClose(Code(c), s)
		body := appendCloseBody(nil, code, reason)
		if len(body) > maxControl || !utf8.ValidString(reason) {
			t.Errorf("%d bytes, %q", len(body), reason)
		}
		if gotCode, gotReason, err := parseCloseBody(body); err != nil || gotCode != code || gotReason != reason {
			t.Errorf("%d %q was read as %d %q, %v", code, reason, gotCode, gotReason, err)
		}
	})
}
