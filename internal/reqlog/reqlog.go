// Package reqlog is how a dialect tells the request log what it alone knows
// about a request. The server keeps a Record beside each answer and writes it
// down when the request has been answered.
package reqlog

// Record is filled on the way. It holds no keys and no personal data.
type Record struct {
	RequestID string
	Account   string
	ErrorCode string
}

// Recorder is implemented by the writers of answers that are recorded.
type Recorder interface{ Record() *Record }

// Of returns the record of an answer, given its writer, or one that nobody reads.
func Of(writer any) *Record {
	if r, ok := writer.(Recorder); ok {
		return r.Record()
	}
	return &Record{}
}
