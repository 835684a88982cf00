package handlers

import (
	"fmt"
	"html/template"
	"strings"

	"rsc.io/qr"
)

// quietZone is the white border that a QR code needs (ISO/IEC 18004), in modules.
const quietZone = 4

// drawQR draws a code as SVG of one path: sharp at any size, without a request
// of its own. It is always black on white, in dark mode too.
func drawQR(text string) (template.HTML, error) {
	level := qr.H
	if len(text) > 600 {
		level = qr.M // beyond this the modules get too small for a phone at arm's length
	}
	code, err := qr.Encode(text, level)
	if err != nil {
		return "", fmt.Errorf("draw a QR code: %w", err)
	}
	var path strings.Builder
	for y := range code.Size {
		for x := 0; x < code.Size; x++ {
			start := x
			for x < code.Size && code.Black(x, y) {
				x++
			}
			if x > start {
				fmt.Fprintf(&path, "M%d %dh%dv1h-%dz", start+quietZone, y+quietZone, x-start, x-start)
			}
		}
	}
	size := code.Size + 2*quietZone
	// Everything in it is made of numbers.
	return template.HTML(fmt.Sprintf(`<svg class="qr-code" viewBox="0 0 %d %d" shape-rendering="crispEdges" aria-hidden="true"><rect width="%d" height="%d" fill="#fff"/><path fill="#000" d="%s"/></svg>`,
		size, size, size, size, path.String())), nil
}
