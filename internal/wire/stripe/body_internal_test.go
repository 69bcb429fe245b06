package stripe

import (
	"bytes"
	"errors"
	"io"
	"net/http/httptest"
	"testing"
	"testing/iotest"
)

// TestReadBody: a body is read whole however it comes and whatever length it is said
// to have, and never further than shows that it is too large.
func TestReadBody(t *testing.T) {
	t.Parallel()
	all := bytes.Repeat([]byte("name=Jenny&"), bodyMax/10)
	for _, size := range []int{0, 1, 511, bodyFirst, bodyFirst + 1, bodyMax - 1, bodyMax, bodyMax + 1, bodyMax + 1000} {
		for _, length := range []int64{-1, int64(size)} {
			for name, as := range map[string]func(io.Reader) io.Reader{
				"at once": func(r io.Reader) io.Reader { return r }, "by halves": iotest.HalfReader, "ending with data": iotest.DataErrReader,
			} {
				sent := bytes.NewReader(all[:size])
				r := httptest.NewRequest("POST", "/v1/customers", as(sent))
				r.ContentLength = length
				got, err := readBody(r)
				if want := all[:min(size, bodyMax+1)]; err != nil || !bytes.Equal(got, want) {
					t.Errorf("%d bytes said to be %d, %s: read %d, %v", size, length, name, len(got), err)
				}
			}
		}
	}
	r := httptest.NewRequest("POST", "/v1/customers", io.MultiReader(bytes.NewReader(all[:100]), iotest.ErrReader(io.ErrUnexpectedEOF)))
	if _, err := readBody(r); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a body that breaks off: %v", err)
	}
}
