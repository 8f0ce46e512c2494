package backend

import (
	"encoding/json"
	"fmt"
	"math"
	"time"
	"unicode/utf8"

	"github.com/fanfare-ws/fanfare/cmd/fanfare/rate"
	"github.com/fanfare-ws/fanfare/hub/strictjson"
)

// Answer is what the backend grants. Its slices and pointers may be shared with other calls: the caller must not change
// what they refer to.
type Answer struct {
	User string // "" if the answer names none
	Rights
	Rate     *rate.Limits    // nil if the answer has none
	Data     json.RawMessage // presence data, for Connect; nil if the answer has none
	Replaced *Message        // the message to publish instead, for Publish; nil if it stays as it is
	Expires  time.Time       // the zero time if the grant does not end
	Fallback bool            // the backend has not answered, and HookOptions.Fallback allows the call
}

// Rights are topics and patterns. This package does not check whether they are valid.
type Rights struct {
	Read, Write, List, Manage []string
}

// maxReason is the longest reason in bytes: what fits into a close frame.
const maxReason = 123

// reply is a decoded body: an Answer or a Refusal.
type reply struct {
	answer  Answer
	refusal *Refusal
	cache   time.Duration // for how long the answer may be kept; negative if it does not say
}

type setter = func(strictjson.Value) error

// decode decodes the body of an answer.
func (h Hook) decode(b []byte) (reply, error) {
	r := reply{cache: -1}
	var granted bool
	err := members(func(f func([]byte, strictjson.Value)) error { return strictjson.Object(b, f) }, map[string]setter{
		"ok": func(v strictjson.Value) error {
			granted = true
			return members(v.Object, h.grants(&r.answer))
		},
		"error": func(v strictjson.Value) error {
			r.refusal = &Refusal{Code: defaultCode}
			return members(v.Object, r.refusal.setters())
		},
		"cache": seconds(&r.cache),
	})
	if err == nil && granted == (r.refusal != nil) {
		err = fmt.Errorf(`the answer must have either "ok" or "error"`)
	}
	return r, err
}

// grants returns what decodes the members of "ok".
func (h Hook) grants(a *Answer) map[string]setter {
	switch h {
	case Connect:
		return map[string]setter{
			"user": into(&a.User), "read": into(&a.Read), "write": into(&a.Write), "list": into(&a.List), "manage": into(&a.Manage),
			"rate": func(v strictjson.Value) error { return a.decodeRate(v) },
			"data": into(&a.Data), "expires": a.decodeExpires,
		}
	case Subscribe:
		return map[string]setter{"expires": a.decodeExpires}
	}
	return map[string]setter{"data": a.replace(JSON), "text": a.replace(Text), "base64": a.replace(Binary)}
}

// members calls the setter of each member of an object.
func members(object func(func([]byte, strictjson.Value)) error, set map[string]setter) error {
	var first error
	seen := make(map[string]bool)
	err := object(func(name []byte, v strictjson.Value) {
		f, err := set[string(name)], error(nil)
		switch {
		case f == nil:
			err = fmt.Errorf("there is no member %.40q here", name)
		case seen[string(name)]:
			err = fmt.Errorf("there are two members %q", name)
		case !v.IsNull():
			if err = f(v); err != nil {
				err = fmt.Errorf("%q: %w", name, err)
			}
		}
		seen[string(name)] = true
		if first == nil {
			first = err
		}
	})
	if err != nil {
		return err
	}
	return first
}

func into(to any) setter { return func(v strictjson.Value) error { return v.Unmarshal(to) } }

// seconds decodes a duration; longer ones count as a year.
func seconds(to *time.Duration) setter {
	return func(v strictjson.Value) error {
		var s float64
		if err := v.Unmarshal(&s); err != nil {
			return err
		}
		if s < 0 {
			return fmt.Errorf("it is %v seconds; it must not be negative", s)
		}
		*to = time.Duration(min(s, year.Seconds()) * float64(time.Second))
		return nil
	}
}

const year = 365 * 24 * time.Hour

func (a *Answer) decodeRate(v strictjson.Value) error {
	a.Rate = new(rate.Limits)
	err := members(v.Object, map[string]setter{
		"messages": into(&a.Rate.Messages), "bytes": into(&a.Rate.Bytes),
	})
	if err != nil {
		return err
	}
	return a.Rate.Validate()
}

func (a *Answer) decodeExpires(v strictjson.Value) error {
	var at float64
	if err := v.Unmarshal(&at); err != nil {
		return err
	}
	const most = 1 << 40 // time.Time and its arithmetic can hold it: 34,000 years
	if !(at > 0 && at <= most) {
		return fmt.Errorf("it is %v; it must be a time in Unix seconds", at)
	}
	whole, part := math.Modf(at)
	a.Expires = time.Unix(int64(whole), int64(part*1e9))
	return nil
}

func (a *Answer) replace(form Form) setter {
	return func(v strictjson.Value) error {
		if a.Replaced != nil {
			return fmt.Errorf(`there must be only one of "data", "text" and "base64"`)
		}
		a.Replaced = &Message{Form: form}
		switch form {
		case JSON:
			a.Replaced.Data = v.AppendCompact(nil)
			return nil
		case Text:
			var text string
			err := v.Unmarshal(&text)
			a.Replaced.Data = []byte(text)
			return err
		}
		return v.Unmarshal(&a.Replaced.Data)
	}
}

func (r *Refusal) setters() map[string]setter {
	return map[string]setter{
		"code": func(v strictjson.Value) error {
			if err := v.Unmarshal(&r.Code); err != nil {
				return err
			}
			if c := r.Code; !(c >= 400 && c < 500 || c >= 4000 && c < 5000) {
				return fmt.Errorf("it is %d; it must be a status from 400 to 499 or a close code from 4000 to 4999", c)
			}
			return nil
		},
		"reason": func(v strictjson.Value) error {
			err := v.Unmarshal(&r.Reason)
			r.Reason = shorten(r.Reason, maxReason)
			return err
		},
		"retry": seconds(&r.Retry),
	}
}

// shorten cuts s after n bytes at most, between two characters.
func shorten(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}
