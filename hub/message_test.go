package hub

import "testing"

// A message that becomes history while it is being encoded is encoded nevertheless, for
// the subscribers that it is on its way to, and keeps nothing of it.
func TestChilledWhileItIsEncoded(t *testing.T) {
	var r *Record
	calls := 0
	e := &testEncoding{record: func(*Record) []byte {
		calls++
		r.releaseForms()
		return number(3).Data
	}}
	h := New(Options{})
	id, err := h.encodings.id(e)
	if err != nil {
		t.Fatal(err)
	}
	r = &Record{Message: number(1)}
	for range 2 {
		if p := r.encoded(&h.encodings, id); p == nil || numbers(p)[0] != 3 || r.forms.first.Load() != nil {
			t.Errorf("got %v, keeps %v", p, r.forms.first.Load())
		}
	}
	if calls != 2 {
		t.Errorf("encoded %d times", calls)
	}
}
