package antom

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/ducatpay/ducat/internal/engine"
	"github.com/ducatpay/ducat/internal/ledger"
	"github.com/ducatpay/ducat/internal/merchant"
	"github.com/ducatpay/ducat/internal/method"
	"github.com/ducatpay/ducat/internal/money"
	"github.com/ducatpay/ducat/internal/payment"
	"github.com/ducatpay/ducat/internal/report"
	"github.com/ducatpay/ducat/internal/resource"
	"github.com/ducatpay/ducat/internal/store"
	"github.com/ducatpay/ducat/internal/wire/antom/settlement"
)

// Kinds of job of this dialect.
const (
	jobClose   = "antom_close"   // a business day is over: its transactions are reported
	jobSettle  = "antom_settle"  // what a day came to is settled
	jobCustoms = "antom_customs" // customs take a declaration on
)

// Jobs lists the kinds of job Run does.
var Jobs = []string{jobClose, jobSettle, jobCustoms}

type dayPayload struct {
	Day string `json:"day"` // YYYYMMDD in the settlement zone
}

// dayStart is the instant at which a business day begins.
func dayStart(day string) (time.Time, error) {
	return time.ParseInLocation("20060102", day, method.SettlementZone())
}

// settleAt is the time of day at which a day's proceeds are settled on the next.
const settleAt = 10 * time.Hour

// planClose plans the closing of the business day something happened on, at the
// end of its cancel window (antom §9.3).
func (a *API) planClose(t *engine.Tx) error {
	day := businessDay(t.At)
	return t.Job("antom_close:"+day, jobClose, cancelWindow(t.At).UTC(), dayPayload{day})
}

// Run does one job of this dialect.
func (a *API) Run(ctx context.Context, j store.Job) error {
	work := map[string]func(t *engine.Tx, payload []byte) error{jobClose: a.closeDay, jobSettle: a.settleDay, jobCustoms: a.customsStep}[j.Kind]
	if work == nil {
		return fmt.Errorf("job %s: unknown kind %q", j.ID, j.Kind)
	}
	return a.engine.Update(ctx, j.Merchant, engine.Cause{}, func(t *engine.Tx) error {
		if err := t.DeleteJob(j.ID); err != nil {
			return err
		}
		return work(t, j.Payload)
	})
}

const (
	kindBooks   = "antom.books"   // how far the books were reported
	kindWaiting = "antom.waiting" // entries that were reported and wait for settlement
	kindBatch   = "antom.batch"
)

// waitingMax is how many entries one row holds.
const waitingMax = 1000

// booksID is the id of the one row of its kind.
const booksID = "books"

// booksBody remembers how far the books were reported.
type booksBody struct {
	After   int64 `json:"after"`   // position in the ledger
	Batches int64 `json:"batches"` // how many were made
}

// batchBody is a settled batch.
type batchBody struct {
	Currency money.Currency `json:"currency"`
	Net      int64          `json:"net"`
	Items    int            `json:"items"`
}

// books reads the row, or prepares its first version.
func books(t *engine.Tx) (row resource.Row, b booksBody, err error) {
	row, err = t.Resource(kindBooks, booksID)
	if errors.Is(err, store.ErrNotFound) {
		return newRow(t, kindBooks, booksID, "", b), b, nil
	}
	if err == nil {
		b, err = decodeBody[booksBody](row)
	}
	return row, b, err
}

func keepBooks(t *engine.Tx, row resource.Row, b booksBody) error {
	row.Body = encodeBody(b)
	if row.Version == 0 {
		return t.InsertResource(row)
	}
	return t.UpdateResource(row)
}

// wait keeps entries until they are settled.
func wait(t *engine.Tx, entries []report.Entry) error {
	for some := range slices.Chunk(entries, waitingMax) {
		rowID := t.NewID("wait_")
		if err := t.InsertResource(resource.Row{Kind: kindWaiting, ID: rowID, Sort: sortOf(rowID), Created: t.At, Body: encodeBody(some)}); err != nil {
			return err
		}
	}
	return nil
}

// waiting takes what waits for settlement, oldest first.
func waiting(t *engine.Tx) ([]report.Entry, error) {
	var entries []report.Entry
	for {
		rows, err := t.Resources(store.List{Kind: kindWaiting, Oldest: true, Limit: 100})
		if err != nil || len(rows) == 0 {
			return entries, err
		}
		for _, row := range slices.Backward(rows) {
			some, err := decodeBody[[]report.Entry](row)
			if err != nil {
				return nil, err
			}
			entries = append(entries, some...)
			if err := t.DeleteResource(kindWaiting, row.ID); err != nil {
				return nil, err
			}
		}
	}
}

// closeDay reports a day's transactions and plans their settlement.
func (a *API) closeDay(t *engine.Tx, payload []byte) error {
	var pl dayPayload
	if err := json.Unmarshal(payload, &pl); err != nil {
		return err
	}
	start, err := dayStart(pl.Day)
	if err != nil {
		return err
	}
	if err := t.HoldBooks(); err != nil {
		return err
	}
	row, b, err := books(t)
	if err != nil {
		return err
	}
	entries, after, err := report.Read(t, Name, b.After, start.AddDate(0, 0, 1))
	if err != nil || len(entries) == 0 {
		return err
	}
	items, err := a.items(t, entries)
	if err != nil {
		return err
	}
	for part, some := range settlement.Parts(items) {
		data, err := report.CSV(settlement.TransactionColumns, settlement.Transactions(a.issuer(t.Who), some), settlement.End)
		if err != nil {
			return err
		}
		if err := a.keepFile(t, pl.Day, fmt.Sprintf("transactionItems_%s_%03d.csv", pl.Day, part), data); err != nil {
			return err
		}
	}
	b.After = after
	if err := keepBooks(t, row, b); err != nil {
		return err
	}
	if err := wait(t, entries); err != nil {
		return err
	}
	return t.Job("antom_settle:"+pl.Day, jobSettle, start.AddDate(0, 0, 1).Add(settleAt).UTC(), pl)
}

// settleDay settles, per currency of settlement, what waits for it. What would
// come to less than nothing waits for the next batch.
func (a *API) settleDay(t *engine.Tx, _ []byte) error {
	row, b, err := books(t)
	if err != nil {
		return err
	}
	entries, err := waiting(t)
	if err != nil {
		return err
	}
	items, err := a.items(t, entries)
	if err != nil {
		return err
	}
	var carried []report.Entry
	for _, group := range settlement.ByCurrency(items) {
		if group.Net().Minor < 0 {
			for _, it := range group.Items {
				carried = append(carried, it.Entry)
			}
			continue
		}
		b.Batches++
		if err := a.settle(t, group, fmt.Sprintf("%s%08d", businessDay(t.At), b.Batches)); err != nil {
			return err
		}
	}
	// The row is written even if no batch was made: it keeps a closing that runs
	// at the same time from adding to what was taken here.
	if err := keepBooks(t, row, b); err != nil {
		return err
	}
	return wait(t, carried)
}

// settle books a batch and writes its files.
func (a *API) settle(t *engine.Tx, g settlement.Group, batchID string) error {
	if err := t.SettleBatch(engine.Batch{Front: Name, ID: batchID, Changed: changes(g), Payout: g.Net()}); err != nil {
		return err
	}
	if err := t.InsertResource(newRow(t, kindBatch, batchID, "", batchBody{Currency: g.Currency, Net: g.Net().Minor, Items: len(g.Items)})); err != nil {
		return err
	}
	who, day := a.issuer(t.Who), businessDay(t.At)
	for part, some := range settlement.Parts(g.Items) {
		data, err := report.CSV(settlement.DetailColumns, settlement.Details(who, batchID, t.At, some), settlement.End)
		if err != nil {
			return err
		}
		if err := a.keepFile(t, day, fmt.Sprintf("settlementItems_%s_%s_%03d.csv", g.Currency, batchID, part), data); err != nil {
			return err
		}
	}
	data, err := report.CSV(settlement.SummaryColumns, settlement.Summary(who, batchID, t.At, g), settlement.End)
	if err != nil {
		return err
	}
	return a.keepFile(t, day, fmt.Sprintf("settlementSummary_%s_%s_000.csv", g.Currency, batchID), data)
}

// changes is what a batch changes into its currency.
func changes(g settlement.Group) []engine.Change {
	var all []engine.Change
	for _, c := range g.Changed() {
		all = append(all, engine.Change{From: c.From, To: c.To})
	}
	return all
}

// issuer is who the files are about and from.
func (a *API) issuer(m merchant.Merchant) settlement.Issuer {
	return settlement.Issuer{CustomerID: CustomerID(m), Acquirer: "DUCAT"}
}

// CustomerID is the merchant's number in the files.
func CustomerID(m merchant.Merchant) string {
	return "2188" + fmt.Sprintf("%012d", uint64(m.ID)%1_000_000_000_000)
}

// keepFile writes a file where the SFTP server and the control API find it.
func (a *API) keepFile(t *engine.Tx, day, name string, data []byte) error {
	f := report.File{Path: "/v1/settlements/" + CustomerID(t.Who) + "/" + day + "/" + name, Created: t.At, Data: data}
	return t.InsertResource(f.Row(sortOf(t.NewID("file_"))))
}

// items adds to entries what the files say about their payments.
func (a *API) items(r store.Reader, entries []report.Entry) ([]settlement.Item, error) {
	var all []settlement.Item
	for _, e := range entries {
		p, err := r.Payment(e.Payment)
		if err != nil {
			return nil, err
		}
		row, err := r.Resource(kindPayment, p.Owner)
		if err != nil {
			return nil, err
		}
		b, err := decodeBody[paymentBody](row)
		if err != nil {
			return nil, err
		}
		it, err := a.item(r, e, &p, b)
		if err != nil {
			return nil, err
		}
		all = append(all, it)
	}
	return all, nil
}

func (a *API) item(r store.Reader, e report.Entry, p *payment.Payment, b paymentBody) (settlement.Item, error) {
	rules := engine.Rules(*p)
	it := settlement.Item{
		Entry: e, TransactionID: p.ID, RequestID: b.RequestID, ReferenceID: b.OrderID, Description: b.Description, MerchantID: b.MerchantID, StoreID: b.StoreID,
		Method: wireName(p.Method), Wallet: rules.Name, PaymentTime: p.CapturedAt(), ProductCode: productCode, Currency: b.Settlement,
		Amount: e.Amount, Fee: e.Fee,
	}
	if b.Quote != nil {
		it.Pair, it.Price = string(b.Quote.From)+"/"+string(b.Quote.To), b.Quote.Price
		it.Amount, it.Fee = b.Quote.convert(e.Amount), b.Quote.convert(e.Fee)
	}
	switch e.Kind {
	case report.Refund, report.RefundReturned:
		row, err := r.ResourceBy(kindRefund, "refund", e.Subject)
		if err != nil {
			return it, err
		}
		rb, err := decodeBody[refundBody](row)
		if err != nil {
			return it, err
		}
		it.OriginalID, it.OriginalRequestID = p.ID, b.RequestID
		it.TransactionID, it.RequestID, it.ReferenceID = rb.Refund, rb.RequestID, rb.Reference
	case report.Dispute, report.DisputeReturned:
		it.OriginalID, it.OriginalRequestID, it.TransactionID, it.RequestID = p.ID, b.RequestID, e.Subject, ""
	case report.Payment, report.Reversal:
	}
	return it, nil
}

// Audit implements engine.Auditor: every payment and refund of ours has its core
// row, and the books paid out what the batches say.
func (a *API) Audit(r store.Reader, _ ledger.Balances) error {
	paid := map[string]int64{}
	for after := int64(0); ; {
		ts, next, err := r.Transfers(after, 1000)
		if err != nil {
			return err
		}
		if len(ts) == 0 {
			break
		}
		after = next
		for _, t := range ts {
			if front, ok := engine.BatchOf(t.ID); ok && front == Name && t.Credit == ledger.Payouts {
				paid[t.ID] += t.Amount.Minor
			}
		}
	}
	for _, kind := range []string{kindPayment, kindRefund, kindBatch} {
		for before := ""; ; {
			rows, err := r.Resources(store.List{Kind: kind, Before: before, Limit: 1000})
			if err != nil {
				return err
			}
			if len(rows) == 0 {
				break
			}
			for _, row := range rows {
				before = row.Sort
				if err := auditRow(r, row, paid); err != nil {
					return err
				}
			}
		}
	}
	for id, n := range paid {
		return fmt.Errorf("transfer %s paid out %d, which no batch explains", id, n)
	}
	return nil
}

func auditRow(r store.Reader, row resource.Row, paid map[string]int64) error {
	switch row.Kind {
	case kindPayment:
		if _, err := r.Payment(row.Payment); err != nil {
			return fmt.Errorf("payment request %s has no payment: %w", row.ID, err)
		}
	case kindRefund:
		b, err := decodeBody[refundBody](row)
		if err != nil {
			return err
		}
		f, err := r.Refund(b.Refund)
		if err != nil {
			return fmt.Errorf("refund request %s has no refund: %w", row.ID, err)
		}
		if f.Amount != b.Amount {
			return fmt.Errorf("refund request %s is of %s, its refund of %s", row.ID, b.Amount, f.Amount)
		}
	case kindBatch:
		b, err := decodeBody[batchBody](row)
		if err != nil {
			return err
		}
		id := "batch:" + Name + ":" + row.ID + ":payout"
		if paid[id] != b.Net {
			return fmt.Errorf("batch %s came to %s %s, the books paid out %d", row.ID, strconv.FormatInt(b.Net, 10), b.Currency, paid[id])
		}
		delete(paid, id)
	}
	return nil
}
