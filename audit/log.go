package audit

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"altostack/kernel/db"
)

// List answers the latest records, the last written first.
func (l *Log) List(ctx context.Context, since time.Time, limit int, keep func(Event) bool) ([]Record, error) {
	var out []Record
	before := Record{}
	for {
		rows, err := l.Store.Latest(ctx, l.DB, before, 500)
		if err != nil || len(rows) == 0 {
			return out, err
		}
		for _, r := range rows {
			if r.At.Before(since) {
				return out, nil
			}
			var e Event
			if json.Unmarshal([]byte(r.Event), &e) == nil && keep(e) {
				if out = append(out, r); len(out) == limit {
					return out, nil
				}
			}
		}
		before = rows[len(rows)-1]
	}
}

// Line is a record as it is exported: the event as JSON, not as text within JSON.
type Line struct {
	Chain string          `json:"chain"`
	Seq   int64           `json:"seq"`
	At    time.Time       `json:"at"`
	Prev  string          `json:"prev"`
	Hash  string          `json:"hash"`
	Seal  string          `json:"seal"`
	Event json.RawMessage `json:"event"`
}

// Export writes the records since an instant as JSON lines, chain by chain.
func (l *Log) Export(ctx context.Context, since time.Time, to io.Writer) (n int64, err error) {
	chains, err := l.Store.Chains(ctx, l.DB)
	if err != nil {
		return 0, err
	}
	w := bufio.NewWriter(to)
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	for _, c := range chains {
		first, found, err := l.Store.FirstSince(ctx, l.DB, c.ID, since)
		if err != nil {
			return n, err
		}
		for seq := first - 1; found; {
			rows, err := l.Store.After(ctx, l.DB, c.ID, seq, 1000)
			if err != nil {
				return n, err
			}
			if len(rows) == 0 {
				break
			}
			for _, r := range rows {
				raw := json.RawMessage(r.Event)
				if !json.Valid(raw) {
					raw, _ = json.Marshal(r.Event) // altered: exported as it stands
				}
				if err := e.Encode(Line{r.Chain, r.Seq, r.At, r.Prev, r.Hash, r.Seal, raw}); err != nil {
					return n, err
				}
				seq, n = r.Seq, n+1
			}
		}
	}
	return n, w.Flush()
}

// VerifyLines checks an export: every line by itself, and that none is missing
// between the first and the last of a chain.
func (l *Log) VerifyLines(from io.Reader) (Report, error) {
	report := Report{Problems: []Problem{}, Notes: []string{}}
	walks := map[string]*walk{}
	d := json.NewDecoder(from)
	for {
		var line Line
		if err := d.Decode(&line); err == io.EOF {
			report.Chains = len(walks)
			return report, nil
		} else if err != nil {
			return report, fmt.Errorf("line %d: %w", report.Records+1, err)
		}
		w := walks[line.Chain]
		if w == nil {
			w = &walk{report: &report, seq: line.Seq - 1}
			if line.Chain == l.Key.Chain() {
				w.key = l.Key
			}
			walks[line.Chain] = w
		}
		w.look(Record{line.Chain, line.Seq, line.At, string(line.Event), line.Prev, line.Hash, line.Seal})
	}
}

// Prune removes records that are older than the retention, and seals the chain's
// new beginning. A thousand go at a time, so that the writer is not held up.
func (t *Trail) Prune(ctx context.Context) error {
	if t.cfg.Retention == 0 {
		return nil
	}
	old, found, err := t.cfg.Store.LastBefore(ctx, t.cfg.DB, t.chain, t.cfg.Clock.Now().Add(-t.cfg.Retention))
	if err != nil || !found {
		return err
	}
	for {
		rows := 0
		err := t.cfg.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
			c, found, err := t.cfg.Store.Chain(ctx, tx, t.chain)
			if err != nil || !found || c.Base.Seq >= old.Seq {
				rows = 0
				return err
			}
			batch, err := t.cfg.Store.After(ctx, tx, t.chain, c.Base.Seq, 1000)
			if err != nil {
				return err
			}
			for rows = len(batch); rows > 0 && batch[rows-1].Seq > old.Seq; rows-- {
			}
			if rows == 0 {
				return nil
			}
			last := batch[rows-1]
			c.Base = t.cfg.Key.mark(markBase, t.chain, last.Seq, last.Hash)
			if err := t.cfg.Store.RemoveThrough(ctx, tx, t.chain, last.Seq); err != nil {
				return err
			}
			return t.cfg.Store.SaveChain(ctx, tx, c)
		})
		if err != nil || rows < 1000 {
			return err
		}
	}
}
