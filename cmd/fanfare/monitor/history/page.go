package history

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"time"
)

// Page is what has been plotted since another Page: the response to GET /api/history.
type Page struct {
	Started time.Time `json:"started"` // of the process; a Page of another process continues none of this one
	Next    int64     `json:"next"`    // the since of the next Page
	Fine    Points    `json:"fine"`    // one each second, of the last 5 minutes
	Coarse  Points    `json:"coarse"`  // one each 10 seconds, of the last 15 minutes
}

// Points are points in the order of their time.
type Points struct {
	Every  float64           `json:"every"` // seconds between two points
	Times  []int64           `json:"times"` // in Unix milliseconds
	Series map[string]Values `json:"series"`
}

// Values are the values of a figure, one for each point; NaN where there was nothing to measure. In JSON they are an array, or a
// single value if all are the same. NaN is null there. Values have 4 digits; whole numbers have 7.
type Values []float64

// MarshalJSON is the method of json.Marshaler.
func (v Values) MarshalJSON() ([]byte, error) {
	if len(v) > 0 && v.constant() {
		return appendValue(nil, v[0]), nil
	}
	b := append(make([]byte, 0, 6*len(v)+2), '[')
	for i, x := range v {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendValue(b, x)
	}
	return append(b, ']'), nil
}

func (v Values) constant() bool {
	for _, x := range v {
		if x != v[0] && !(math.IsNaN(x) && math.IsNaN(v[0])) {
			return false
		}
	}
	return true
}

func appendValue(b []byte, x float64) []byte {
	switch {
	case math.IsNaN(x):
		return append(b, "null"...)
	case x == math.Trunc(x) && math.Abs(x) < 1e7:
		return strconv.AppendInt(b, int64(x), 10)
	}
	return strconv.AppendFloat(b, x, 'g', 4, 64)
}

// UnmarshalJSON is the method of json.Unmarshaler for arrays: for single values see Points.UnmarshalJSON.
func (v *Values) UnmarshalJSON(b []byte) error {
	var all []*float64
	single := len(b) > 0 && b[0] != '['
	if single {
		all = make([]*float64, 1)
		if err := json.Unmarshal(b, &all[0]); err != nil {
			return err
		}
	} else if err := json.Unmarshal(b, &all); err != nil {
		return err
	}
	*v = make(Values, len(all))
	for i, x := range all {
		if (*v)[i] = math.NaN(); x != nil {
			(*v)[i] = *x
		}
	}
	return nil
}

// UnmarshalJSON is the method of json.Unmarshaler. Afterwards each series has as many values as there are times.
func (p *Points) UnmarshalJSON(b []byte) error {
	type plain Points // without this method
	if err := json.Unmarshal(b, (*plain)(p)); err != nil {
		return err
	}
	for name, v := range p.Series {
		switch n := len(p.Times); {
		case len(v) == n:
		case len(v) == 1:
			all := make(Values, n)
			for i := range all {
				all[i] = v[0]
			}
			p.Series[name] = all
		default:
			return fmt.Errorf("series %q has %d values for %d times", name, len(v), n)
		}
	}
	return nil
}
