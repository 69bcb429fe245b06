// Package store declares what the product asks of a database, in the domain's
// verbs. Two engines answer: store/sqlite and store/postgres; store/storetest
// is the contract both must meet.
//
// Every read and write of a merchant's data happens inside Update or View,
// which are given the merchant: a row of one merchant cannot be reached from
// another's transaction.
package store

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/ducatpay/ducat/internal/agreement"
	"github.com/ducatpay/ducat/internal/event"
	"github.com/ducatpay/ducat/internal/ledger"
	"github.com/ducatpay/ducat/internal/merchant"
	"github.com/ducatpay/ducat/internal/payment"
	"github.com/ducatpay/ducat/internal/resource"
)

// ErrNotFound is returned by reads of one thing when there is none.
var ErrNotFound = errors.New("store: not found")

// ErrExists is returned by inserts of something whose key is taken. The
// transaction cannot go on after it.
var ErrExists = errors.New("store: exists already")

// ErrStale is returned when a row changed between read and write. Update
// retries the whole body a bounded number of times before returning it.
var ErrStale = errors.New("store: changed meanwhile")

// Store is a database.
type Store interface {
	// Migrate brings the schema up to date. It is safe to run on several nodes
	// at once.
	Migrate(ctx context.Context) error
	// Update runs fn in a transaction on one merchant's data and makes its
	// writes durable before it returns nil. fn may run more than once and must
	// touch nothing outside tx; if it returns an error nothing is written and
	// that error is returned. A merchant that does not exist is ErrNotFound
	// from Tx.Merchant, not from Update.
	Update(ctx context.Context, merchantID int64, fn func(tx Tx) error) error
	// View runs fn on a consistent snapshot of one merchant's data.
	View(ctx context.Context, merchantID int64, fn func(r Reader) error) error

	// CreateMerchant stores a merchant, or does nothing if its ID is stored.
	CreateMerchant(ctx context.Context, m merchant.Merchant) error
	// MerchantIDs lists merchants with an ID greater than after, ascending.
	MerchantIDs(ctx context.Context, after int64, limit int) ([]int64, error)
	// ClearMerchant deletes all data of a test merchant but the merchant and
	// its credentials, and runs after, unless it is nil, in the same transaction. It
	// refuses a live one. What others write is there before, and cleared, or comes
	// after.
	ClearMerchant(ctx context.Context, merchantID int64, after func(tx Tx) error) error

	// PutCredential stores the hash of a provisioned key, or changes what is
	// stored of it.
	PutCredential(ctx context.Context, c Credential) error
	// Credential finds a provisioned key by its hash.
	Credential(ctx context.Context, hash []byte) (Credential, error)
	// PruneCredentials deletes credentials of a kind that were created before a wall
	// time.
	PruneCredentials(ctx context.Context, kind string, before time.Time) error

	// ClaimDueJobs leases up to limit jobs of the lanes (none means all) whose
	// RunAt is not after wall, in order of RunAt, so that nobody else gets them
	// until wall+lease. Half of those that wait for others' servers are the ones
	// that became due last, so that a backlog does not hold up what is new. Jobs
	// of merchants whose clock is being advanced are left alone. next is the
	// earliest RunAt or lease end among all other jobs, zero if there is none.
	ClaimDueJobs(ctx context.Context, wall time.Time, lease time.Duration, limit int, lanes ...Lane) (jobs []Job, next time.Time, err error)
	// ClaimMerchantJobs does the same for one merchant by due time, ignoring
	// RunAt, in order of (Due, ID), whether or not its clock is being advanced.
	// held is how many due jobs somebody else holds.
	ClaimMerchantJobs(ctx context.Context, merchantID int64, due, wall time.Time, lease time.Duration, limit int) (jobs []Job, held Held, err error)

	// ClaimJob leases one job, whenever it is due, unless somebody else holds it
	// or it is gone: then ok is false.
	ClaimJob(ctx context.Context, merchantID int64, id string, wall time.Time, lease time.Duration) (j Job, ok bool, err error)

	// WaitingJobs lists up to limit jobs of a lane that can be claimed at wall, in
	// the order in which they became so, beginning behind a place. It leases nothing.
	WaitingJobs(ctx context.Context, wall time.Time, lane Lane, after JobPlace, limit int) ([]JobPlace, error)
	// ClaimJobs leases those of the jobs that can be claimed at wall and that nobody
	// is claiming, as ClaimDueJobs does.
	ClaimJobs(ctx context.Context, wall time.Time, lease time.Duration, places []JobPlace) ([]Job, error)

	// PruneAnswers deletes up to limit answers created before a wall time,
	// whosever they are, and returns how many it deleted.
	PruneAnswers(ctx context.Context, before time.Time, limit int) (int, error)

	// Setting returns the value under name, storing propose first if there is
	// none; all nodes agree on the value. Without a proposal a setting that is
	// not there is ErrNotFound.
	Setting(ctx context.Context, name string, propose []byte) ([]byte, error)
	// Ping reports whether the database answers.
	Ping(ctx context.Context) error
	Close() error
}

// Versioned is a Store that can tell cheaply whether anything was written.
type Versioned interface {
	// Version returns a number that changes whenever something was written that
	// a read beginning now can see. What was read after one call is what a read
	// beginning after another would see, if both return the same.
	Version(ctx context.Context) (uint64, error)
}

// Panic is what Update panics with when the function it was given has panicked in
// another goroutine, whose stack is gone by then.
type Panic struct {
	Value any // what the function panicked with
	Stack []byte
}

// Error says what the function panicked with.
func (p *Panic) Error() string { return fmt.Sprint(p.Value) }

// Unwrap returns what the function panicked with, if that is an error.
func (p *Panic) Unwrap() error {
	err, _ := p.Value.(error)
	return err
}

// PanicStack returns the stack of what panicked with v. Who calls it is recovering
// from that.
func PanicStack(v any) []byte {
	if p, ok := v.(*Panic); ok {
		return p.Stack
	}
	return debug.Stack()
}

// Credential is a provisioned key, known by its hash only.
type Credential struct {
	Hash     []byte // SHA-256 of the key
	Merchant int64
	Kind     string // "secret", "publishable", "restricted", or what a surface of its own calls its credentials
	// Permissions of a restricted key, without spaces, in the words of the
	// dialect that reads them.
	Permissions []string
	Created     time.Time
	Revoked     bool
}

// Job is durable work: a timer or a delivery.
type Job struct {
	Merchant int64
	ID       string // unique per merchant; inserting a job whose ID is taken does nothing
	Kind     string
	Due      time.Time // merchant's time
	RunAt    time.Time // wall time; moves when the merchant's clock does
	Tries    int       // how often it was claimed before
	Payload  []byte
}

// JobPlace is where a job stands among those that wait.
type JobPlace struct {
	Merchant int64
	ID       string
	Ready    time.Time // when it could be claimed: the later of RunAt and its lease's end
}

// Kinds of job that wait for somebody else's server: a message's, or those of
// everything that falls due while a clock is moved.
const (
	JobDeliver = "deliver"
	JobAdvance = "advance"
)

// Lane keeps apart jobs that must not hold each other up.
type Lane int

// The lanes.
const (
	Own     Lane = iota // our own work, which never waits long
	Outside             // waits for somebody else's server
)

// LaneOf returns the lane of a kind of job.
func LaneOf(kind string) Lane {
	if kind == JobDeliver || kind == JobAdvance {
		return Outside
	}
	return Own
}

// Held counts jobs that somebody else holds.
type Held struct{ Own, Outside int }

// Answer is a stored answer to an idempotent request. While Status is zero the
// request is under way.
type Answer struct {
	Key         string
	Endpoint    string    // method and path first used with the key
	Fingerprint string    // of the parameters
	RequestID   string    // of the first execution
	Created     time.Time // wall
	Status      int
	Headers     []byte // JSON, what must be replayed beside the body
	Body        []byte
}

// Delivery is one message on its way to one endpoint. Body never changes.
type Delivery struct {
	ID       string
	Event    string // id of the message's row
	Endpoint string
	State    string    // pending, delivered, failed
	Created  time.Time // merchant's time
	Attempts []Attempt
	Next     time.Time // merchant's time of the next attempt; zero when none is planned
	Body     []byte
	Version  int64
}

// Attempt is one try to deliver.
type Attempt struct {
	At       time.Time     `json:"at"` // wall
	Status   int           `json:"status,omitempty"`
	Took     time.Duration `json:"took"`
	Error    string        `json:"error,omitempty"`
	Response string        `json:"response,omitempty"` // excerpt
	Manual   bool          `json:"manual,omitempty"`
}

// FewMax is how many rows Reader.Few returns at most.
const FewMax = 100

// List asks for rows of a kind, newest first (by Sort, descending).
type List struct {
	Kind       string
	Key, Value string         // only rows having this resource.Key; "" for all
	And        []resource.Key // and each of these; Key should be the one that fewest rows have
	Before     string         // only Sort < Before; "" for no bound
	After      string         // only Sort > After; "" for no bound
	From       string         // only Sort >= From
	Oldest     bool           // take the oldest rows of the range instead of the newest; still returned newest first
	Limit      int
}

// Reader reads one merchant's data.
type Reader interface {
	Merchant() (merchant.Merchant, error)
	Resource(kind, id string) (resource.Row, error)
	// ResourceVersions tells the versions of the rows that are there, of those
	// whose Sort follows from the id.
	ResourceVersions(kind string, ids []string) (map[string]int64, error)
	// ResourceBy returns the newest row of a kind with a key.
	ResourceBy(kind, key, value string) (resource.Row, error)
	Resources(q List) ([]resource.Row, error)
	// Few returns all rows of a kind of which no merchant has more than FewMax, the
	// newest first. It is for what nearly every update asks for: an engine may
	// remember the answer.
	Few(kind string) ([]resource.Row, error)
	// CountResources counts the rows of a list, whatever its limit.
	CountResources(q List) (int64, error)
	Payment(id string) (payment.Payment, error)
	// PaymentVersions tells the versions of the payments that are there. It locks
	// nothing.
	PaymentVersions(ids []string) (map[string]int64, error)
	// Attempts lists a payment's attempts in the order they were made.
	Attempts(paymentID string) ([]payment.Attempt, error)
	// Payments lists payments with an id greater than after, ascending.
	Payments(after string, limit int) ([]payment.Payment, error)
	// PaymentsBefore lists payments with an id less than before, "" for no bound,
	// newest first.
	PaymentsBefore(before string, limit int) ([]payment.Payment, error)
	Refund(id string) (payment.Refund, error)
	// Refunds lists a payment's refunds, oldest first.
	Refunds(paymentID string) ([]payment.Refund, error)
	Dispute(id string) (payment.Dispute, error)
	Agreement(id string) (agreement.Agreement, error)
	// Agreements lists agreements with an id greater than after, ascending.
	Agreements(after string, limit int) ([]agreement.Agreement, error)
	// AgreementToken finds a token by its hash.
	AgreementToken(hash []byte) (agreement.Token, error)
	// AgreementTokens lists an agreement's tokens by generation and kind.
	AgreementTokens(agreementID string) ([]agreement.Token, error)
	Balances() (ledger.Balances, error)
	// Transfers lists transfers in the order they were posted, from after (a
	// position, 0 to begin) on; it returns the position to go on from.
	Transfers(after int64, limit int) (ts []ledger.Transfer, next int64, err error)
	// TransfersUpTo is Transfers without those whose position is after upto.
	TransfersUpTo(after, upto int64, limit int) (ts []ledger.Transfer, next int64, err error)
	// TransfersByID returns those transfers that are there, in the order they were
	// posted.
	TransfersByID(ids []string) ([]ledger.Transfer, error)
	// LastTransfer is the position of the transfer posted last, 0 if there is none.
	LastTransfer() (int64, error)
	// Facts lists facts in the order they were recorded.
	Facts(after int64, limit int) (fs []event.Fact, next int64, err error)
	Answer(key string) (Answer, error)
	Delivery(id string) (Delivery, error)
	// Deliveries lists newest first; event and endpoint filter unless "".
	Deliveries(event, endpoint string, before string, limit int) ([]Delivery, error)
	// Jobs lists a merchant's jobs by (Due, ID).
	Jobs(limit int) ([]Job, error)
}

// Tx reads and writes one merchant's data. Reads see the transaction's own
// writes. A row that is read with Payment, Refund, Dispute or Agreement inside Update is locked
// against other transactions until this one ends.
type Tx interface {
	Reader
	// UpdateMerchant writes clock offset and profile, expecting m.Version; the
	// stored version is one higher.
	UpdateMerchant(m merchant.Merchant) error
	// SetAdvancing tells ClaimDueJobs to leave the merchant's jobs alone until
	// wall, zero to lift that.
	SetAdvancing(until time.Time) error
	// ShiftJobs moves RunAt of all the merchant's jobs by d.
	ShiftJobs(d time.Duration) error

	// InsertResource fails with ErrExists if id or Sort is taken, and with ErrStale if
	// another row has the key that r.First names: whoever takes it that there is none
	// reads when it runs again. Two that begin at the same time may not see each other.
	InsertResource(r resource.Row) error
	UpdateResource(r resource.Row) error // body and payment, expecting r.Version
	// RekeyResource is UpdateResource with other keys: r is the row as it was
	// read, r.Keys the stored ones, keys those it has from now on.
	RekeyResource(r resource.Row, keys []resource.Key) error
	DeleteResource(kind, id string) error

	InsertPayment(p payment.Payment) error // stored with version 1
	UpdatePayment(p payment.Payment) error // expecting p.Version
	InsertRefund(r payment.Refund) error
	UpdateRefund(r payment.Refund) error
	InsertDispute(d payment.Dispute) error       // stored with version 1
	UpdateDispute(d payment.Dispute) error       // state, amount, fee and deadline, expecting d.Version
	InsertAgreement(a agreement.Agreement) error // stored with version 1
	UpdateAgreement(a agreement.Agreement) error // expecting a.Version
	// InsertAgreementToken fails with ErrExists if the hash is taken.
	InsertAgreementToken(t agreement.Token) error
	// EndAgreementToken writes when the token ends.
	EndAgreementToken(t agreement.Token) error

	// Post adds transfers. A transfer whose ID is there with the same content
	// is skipped; with other content it is an error.
	Post(ts ...ledger.Transfer) error
	Record(f event.Fact) error
	// HoldBooks makes the transaction wait for everyone who is posting, and
	// everyone who wants to post wait for it: what Transfers then reads is
	// complete. It comes before anything is posted.
	HoldBooks() error

	// Alone reports that no other transaction runs beside this one, for anybody.
	Alone() bool

	// InsertJob adds a job unless its ID is taken.
	InsertJob(j Job) error
	// EnsureJob is InsertJob for a job that is nearly always there already. It
	// asks for the job, whose ID is id, only if it may be missing.
	EnsureJob(id string, job func() (Job, error)) error
	// RescheduleJob sets Due, RunAt and Payload and drops the lease.
	RescheduleJob(j Job) error
	DeleteJob(id string) error

	// InsertAnswer claims an idempotency key: ErrExists if it is taken (and not
	// older than Answer.Created minus a day, in which case it is replaced).
	InsertAnswer(a Answer) error
	FinishAnswer(a Answer) error
	DeleteAnswer(key string) error

	InsertDelivery(d Delivery) error
	UpdateDelivery(d Delivery) error
	// DeleteDeliveries deletes all deliveries of an event.
	DeleteDeliveries(event string) error
}
