package strictjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"
)

func nested(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }

func TestCheckDepth(t *testing.T) {
	var deep *DepthError
	for s, good := range map[string]bool{
		nested(MaxDepth): true, nested(MaxDepth + 1): false, nested(10_000): false,
		strings.Repeat(`{"a":`, MaxDepth) + "1" + strings.Repeat("}", MaxDepth):           true,
		strings.Repeat(`{"a":`, MaxDepth+1) + "1" + strings.Repeat("}", MaxDepth+1):       false,
		"[" + strings.Repeat(nested(MaxDepth-1)+",", 100) + nested(MaxDepth-1) + "]":      true,
		strings.Repeat("[", MaxDepth) + `["]]]",{"[":1}]` + strings.Repeat("]", MaxDepth): false,
	} {
		if err := Check([]byte(s)); (err == nil) != good || !good && !errors.As(err, &deep) {
			t.Errorf("%.200s: %v", s, err)
		} else if !good && deep.Offset < MaxDepth {
			t.Errorf("nested too deeply at byte %d, want %d or more", deep.Offset, MaxDepth)
		}
	}
}

// Object skips a member that is nested too deeply, and reads the members around it.
func TestMembersBesideADeepOne(t *testing.T) {
	got := map[string]string{}
	err := Object([]byte(`{"id":5,"data":`+nested(100)+`, "do" : "x","\u0061b":[1, 2],"ab":[3, "\" ]" ]}`), func(name []byte, v Value) {
		got[string(name)] = string(v.AppendCompact(nil))
	})
	var deep *DepthError
	if want := map[string]string{"id": "5", "do": `"x"`, "ab": `[3,"\" ]"]`}; !errors.As(err, &deep) || !reflect.DeepEqual(got, want) {
		t.Errorf("%v, %v", got, err)
	}
}

func TestArray(t *testing.T) {
	for s, want := range map[string]string{"[]": "", " [ 1 , [2 ,3], {} ]\n": "1|[2,3]|{}|", "[1,]": "!", "[1": "!", "{}": "!", "[1]2": "!"} {
		var got string
		if err := array([]byte(s), MaxDepth, func(v Value) { got += string(v.AppendCompact(nil)) + "|" }); (err != nil) != (want == "!") || err == nil && got != want {
			t.Errorf("%q: %q, %v", s, got, err)
		}
	}
}

func TestNumbers(t *testing.T) {
	for s, want := range map[string]int64{
		"1": 1, "1.0": 1, "1e0": 1, "10e-1": 1, "-5.00": -5, "9007199254740993": 9007199254740993, "-0": 0, "1E2": 100, "0.5e1": 5,
	} {
		if n, ok := (Value{Text: []byte(s)}).Int(); !ok || n != want {
			t.Errorf("%s: %d, %v", s, n, ok)
		}
	}
	for _, s := range []string{"1.5", "1e400", "1e16", `"1"`, "true", "null", "[]", "99999999999999999999"} {
		if n, ok := (Value{Text: []byte(s)}).Int(); ok {
			t.Errorf("%s: %d", s, n)
		}
	}
	if _, ok := (Value{Text: []byte("-1.0")}).Uint(); ok {
		t.Error("-1.0 is not negative")
	}
}

func TestStrings(t *testing.T) {
	for s, want := range map[string]string{
		`""`: "", `"a\n\"\\\/\b\f\r\t"`: "a\n\"\\/\b\f\r\t", `"\u00e4\u00E4ä"`: "äää", `"\ud83c\udfba"`: "🎺", `"\ufffd"`: "\ufffd", `"x\u0000"`: "x\x00",
	} {
		if got, ok := (Value{Text: []byte(s)}).String(); !ok || got != want {
			t.Errorf("%s: %q, %v", s, got, ok)
		}
	}
	for _, s := range []string{`"\ud800"`, `"\udc00x"`, `"\ud800\ud800"`, `"\ud800\n"`, `"\ud800\u0041"`, "1"} {
		if got, ok := (Value{Text: []byte(s)}).String(); ok {
			t.Errorf("%s: %q", s, got)
		}
	}
}

type inner struct {
	X *string
	N []inner `json:"n"`
}

type outer struct {
	inner
	Topic string `json:"topic"`
	Data  json.RawMessage
	Limit uint8 `json:"limit"`
	Skip  int   `json:"-"`
	Are   map[string]int
	OK    *bool
}

func TestUnmarshal(t *testing.T) {
	var got outer
	err := Unmarshal([]byte(` {"topic":"a","Topic":"b","TOPIC":7,"Data":[1, 2],"limit":5.0,"-":3,"Skip":4,"X":"x","n":[{"X":"y","x":"z"},null],
		"Are":{"a":1},"OK":true,"limit":null} `), &got)
	x, y, ok := "x", "y", true
	want := outer{inner: inner{X: &x, N: []inner{{X: &y}, {}}}, Topic: "a", Data: json.RawMessage("[1, 2]"), Are: map[string]int{"a": 1}, OK: &ok}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v", got, err)
	}
	for s, want := range map[string]string{
		`{"topic":7,"OK":true}`:       `"topic" is a JSON number; it must be a string`,
		`{"topic":"\ud800"}`:          "lone surrogates",
		`{"limit":256}`:               "an integer that fits into a uint8",
		`{"n":{}}`:                    `"n" is a JSON object; it must be an array`,
		`{"n":[{"X":1}]}`:             `"X" is a JSON number`,
		`{"Are":{"a":"b"}}`:           `"Are"`,
		`[]`:                          "the text is a JSON array; it must be an object",
		`{`:                           "invalid JSON",
		`{} x`:                        "invalid JSON",
		`{"Data":` + nested(64) + `}`: "too deeply",
	} {
		if err := Unmarshal([]byte(s), new(outer)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", s, err, want)
		}
	}
}

// FuzzCheck compares with encoding/json, which accepts the same texts except for their depth
// and for invalid UTF-8, and must decode them to the same values.
func FuzzCheck(f *testing.F) {
	for _, s := range []string{
		"", " ", "null", "nul", "-", "-0", "01", "1.", "1.5e+7", "1e", `"a`, `"\u12"`, `"\ud800"`, "\"\x01\"", "\"\xff\"", `{"a":1,}`, `{"a" 1}`, "[1 2]", "[,]",
		`{"a":{"b":[true,false,null,"longer than eight bytes \" \\ x"]}} `, nested(64), nested(65), "[}", "{]", "{1:2}", `"12345678\t1234567é"`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		err := Check(b)
		var deep *DepthError
		if errors.As(err, &deep) {
			return
		}
		if want := json.Valid(b) && utf8.Valid(b); (err == nil) != want {
			t.Fatalf("%q: %v, want %v", b, err, want)
		}
		if err != nil {
			return
		}
		var w bytes.Buffer
		_ = json.Compact(&w, b)
		if got := AppendCompact(nil, b); !bytes.Equal(got, w.Bytes()) {
			t.Fatalf("%q became %q", b, got)
		}
		var all any
		_ = json.Unmarshal(b, &all)
		switch v := (Value{Text: bytes.TrimSpace(b)}); want := all.(type) {
		case string:
			if got, ok := v.String(); ok && got != want || !ok && !strings.Contains(want, "\ufffd") {
				t.Fatalf("%q became %q", b, got)
			}
		case map[string]any:
			n := map[string]bool{}
			if err := Object(b, func(name []byte, v Value) { n[string(name)] = Check(v.Text) == nil }); err != nil || len(n) != len(want) {
				t.Fatalf("%q: %v, %v", b, n, err)
			}
		case []any:
			n := 0
			if err := array(b, MaxDepth, func(v Value) { n++ }); err != nil || n != len(want) {
				t.Fatalf("%q: %d, %v", b, n, err)
			}
		}
	})
}

func TestAllocatesNothing(t *testing.T) {
	b := []byte(`{"id":1,"do":"publish","topic":"prices.eur","data":{"bid":[1.0841, 2],"venue":"` + strings.Repeat("ä", 90) + `"}}`)
	n := 0
	if got := testing.AllocsPerRun(100, func() {
		if Check(b) != nil || Object(b, func(name []byte, v Value) { n += len(name) + len(v.Text) }) != nil {
			t.Fatal("Check or Object failed")
		}
	}); got > 0 {
		t.Errorf("%v allocations", got)
	}
}

var benchmark = []byte(`{"id":1,"do":"publish","topic":"prices.eur","data":{"bid":1.0841,"ask":1.0843,"venue":"` + strings.Repeat("x", 90) + `"}}`)

func BenchmarkCheck(b *testing.B) {
	b.SetBytes(int64(len(benchmark)))
	b.ReportAllocs()
	for b.Loop() {
		_ = Check(benchmark)
	}
}

func BenchmarkEncodingJSONValid(b *testing.B) {
	b.SetBytes(int64(len(benchmark)))
	b.ReportAllocs()
	for b.Loop() {
		_ = json.Valid(benchmark)
	}
}
