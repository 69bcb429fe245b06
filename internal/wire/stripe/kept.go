package stripe

import (
	"sync"

	"github.com/ducatpay/ducat/internal/store"
)

// Bounds of what is kept, in bytes.
const (
	keptMax       = 16 << 20
	keptAnswerMax = 64 << 10
)

// kept remembers answers to reads for as long as nothing at all is written, so
// that whoever asks the same again, as those do who wait for something to
// happen, costs next to nothing. It needs a store that can tell cheaply whether
// something was written; with others nothing is kept.
type kept struct {
	mu      sync.RWMutex
	version uint64 // of the database for which the answers hold
	answers map[question][]byte
	size    int
}

// question is everything an answer depends on beside the rows.
type question struct {
	merchant             int64
	public               bool
	version, path, query string
}

// answer is what an endpoint that reads answers.
func (k *kept) answer(c *call, ep endpoint) ([]byte, error) {
	db, ok := c.api.engine.Store.(store.Versioned)
	if !ep.steady || !ok {
		return read(c, ep)
	}
	// The version is asked for before anything is read: what is read can only be
	// newer, and then the version will not be seen again.
	version, err := db.Version(c.ctx)
	if err != nil {
		return read(c, ep)
	}
	q := question{c.principal.merchantID, c.principal.public, c.version, c.request.URL.Path, c.request.URL.RawQuery}
	if body, ok := k.find(version, q); ok {
		return body, nil
	}
	body, err := read(c, ep)
	if err == nil && !c.timely {
		k.keep(version, q, body)
	}
	return body, err
}

func read(c *call, ep endpoint) ([]byte, error) {
	o, err := ep.read(c)
	if err != nil {
		return nil, err
	}
	older(c.version, o)
	return encode(o), nil
}

func (k *kept) find(version uint64, q question) ([]byte, bool) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	body, ok := k.answers[q]
	return body, ok && k.version == version
}

func (k *kept) keep(version uint64, q question, body []byte) {
	if len(body) > keptAnswerMax {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.answers == nil || k.version != version || k.size > keptMax {
		k.answers, k.version, k.size = map[question][]byte{}, version, 0
	}
	if _, ok := k.answers[q]; !ok {
		k.answers[q] = body
		k.size += len(q.path) + len(q.query) + len(body)
	}
}
