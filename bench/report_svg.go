package main

import (
	"bytes"
	"fmt"
	"html"
	"math"
	"os"
	"strconv"
)

// svg is a picture that is drawn from top to bottom, in pixels. It has its own background, so that it is legible on every page,
// and a dark variant.
type svg struct {
	bytes.Buffer
	width, height int // of the drawing so far
}

const (
	margin    = 20
	lineSpace = 22 // from one line of text to the next
)

// style has the classes: ours and other for servers, shade for a part on top of a bar, leader for a line from a curve to its
// name, and grid for the lines in the background.
const style = `text{font-family:Arial,Helvetica,"Liberation Sans",sans-serif;font-size:14px;fill:#1f2933}
.title{font-size:16px;font-weight:bold}.small{font-size:13px;fill:#52606d}.end{text-anchor:end}.middle{text-anchor:middle}
.page{fill:#fff}.other{fill:#829ab1}.shade{fill:#d3dce6}.ours{fill:#d64512}
text.ours{font-weight:bold;fill:#b93a0b}
path,line{fill:none;stroke:#829ab1;stroke-width:2}.oursline{stroke:#d64512;stroke-width:3}.grid{stroke:#dde3ea;stroke-width:1}.leader{stroke:#9fb0c0;stroke-width:1}
@media (prefers-color-scheme:dark){
text{fill:#e6edf3}.small{fill:#a4b1be}
.page{fill:#12171d}.other{fill:#7089a3}.shade{fill:#3a4653}.ours{fill:#ff7a45}
text.ours{fill:#ff9a70}
path,line{stroke:#7089a3}.oursline{stroke:#ff7a45}.grid{stroke:#2b353f}.leader{stroke:#5d6f80}}`

func (s *svg) text(x, y float64, class, words string) {
	fmt.Fprintf(s, "<text x=%q y=%q%s>%s</text>\n", px(x), px(y), classed(class), html.EscapeString(words))
}

func (s *svg) rect(x, y, width, height float64, class string) {
	fmt.Fprintf(s, "<rect x=%q y=%q width=%q height=%q%s/>\n", px(x), px(y), px(width), px(height), classed(class))
}

func (s *svg) line(x1, y1, x2, y2 float64, class string) {
	fmt.Fprintf(s, "<line x1=%q y1=%q x2=%q y2=%q%s/>\n", px(x1), px(y1), px(x2), px(y2), classed(class))
}

func (s *svg) dot(x, y float64, class string) {
	fmt.Fprintf(s, "<circle cx=%q cy=%q r=\"3.5\"%s/>\n", px(x), px(y), classed(class))
}

// px formats a length with tenths of a pixel.
func px(v float64) string { return strconv.FormatFloat(math.Round(v*10)/10, 'f', -1, 64) }

func classed(class string) string {
	if class == "" {
		return ""
	}
	return fmt.Sprintf(" class=%q", class)
}

// grow makes room for a drawing that ends at x and y.
func (s *svg) grow(x, y float64) {
	s.width, s.height = max(s.width, int(x)), max(s.height, int(y))
}

// save writes the picture, with a title for readers who do not see it.
func (s *svg) save(file, title string) error {
	w, h := s.width+margin, s.height+margin
	var b bytes.Buffer
	fmt.Fprintf(&b, "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" viewBox=\"0 0 %d %d\" role=\"img\">\n", w, h, w, h)
	fmt.Fprintf(&b, "<title>%s</title>\n<style>\n%s\n</style>\n", html.EscapeString(title), style)
	fmt.Fprintf(&b, "<rect class=\"page\" width=\"%d\" height=\"%d\"/>\n%s</svg>\n", w, h, s.Bytes())
	return os.WriteFile(file, b.Bytes(), 0o644)
}
