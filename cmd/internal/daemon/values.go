package daemon

import (
	"errors"
	"flag"
	"fmt"
	"strconv"
	"time"
)

// ExplainValues replaces the errors of the flags that are durations or whole numbers. Package flag reports a bad value as
// "parse error"; these errors say what a good one looks like. Call it after all flags are defined.
func ExplainValues(f *flag.FlagSet) {
	f.VisitAll(func(fl *flag.Flag) {
		v, ok := fl.Value.(flag.Getter)
		if !ok {
			return
		}
		switch v.Get().(type) {
		case time.Duration:
			fl.Value = duration{v}
		case int:
			fl.Value = integer{v}
		}
	})
}

// duration is the flag.Value of a duration.
type duration struct{ flag.Value }

func (d duration) String() string {
	if d.Value == nil { // package flag asks for the zero value's text, to omit it as a default
		return time.Duration(0).String()
	}
	return d.Value.String()
}

func (d duration) Set(s string) error {
	if d.Value.Set(s) == nil {
		return nil
	}
	return DurationError(s)
}

// DurationError returns an error that says what is right instead of s, which [time.ParseDuration] refuses.
func DurationError(s string) error {
	if _, err := strconv.ParseFloat(s, 64); err == nil {
		return fmt.Errorf("a unit is missing: write %ss for seconds, or %[1]sms, %[1]sm or %[1]sh", s)
	}
	return errors.New("it must be a duration, such as 500ms, 10s or 2m")
}

// integer is the flag.Value of a whole number.
type integer struct{ flag.Value }

func (i integer) String() string {
	if i.Value == nil {
		return "0"
	}
	return i.Value.String()
}

func (i integer) Set(s string) error {
	if i.Value.Set(s) == nil {
		return nil
	}
	if errors.Is(parseInt(s), strconv.ErrRange) {
		return errors.New("the number is too large")
	}
	return errors.New("it must be a whole number")
}

func parseInt(s string) error {
	_, err := strconv.ParseInt(s, 0, strconv.IntSize)
	return err
}
