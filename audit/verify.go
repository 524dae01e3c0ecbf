package audit

import (
	"context"
	"encoding/json"
	"fmt"
	"os"

	"altostack/kernel/db"
)

// Log reads a trail, of a process that runs or does not.
type Log struct {
	DB    *db.DB
	Store Store
	// Key checks the seals of the chain that it is the key of. The chains of
	// other processes are checked by their hashes.
	Key    *Key
	Anchor string
}

// Problem is something that was done to a trail by other means than the trail's.
type Problem struct {
	Chain string `json:"chain"`
	Seq   int64  `json:"seq"` // of the record
	What  string `json:"what"`
	Event string `json:"event_id,omitempty"`
}

func (p Problem) String() string {
	s := fmt.Sprintf("chain %s, record %d: %s", p.Chain, p.Seq, p.What)
	if p.Event != "" {
		s += " (event " + p.Event + ")"
	}
	return s
}

// Report is what Verify found.
type Report struct {
	Records  int64     `json:"records"`
	Chains   int       `json:"chains"`
	Problems []Problem `json:"problems"`
	Notes    []string  `json:"notes"` // what a reader should know, as a process that was killed
}

// Verify reads every record. It sees a trail that is being written as it is at
// the end of the reading.
func (l *Log) Verify(ctx context.Context) (Report, error) {
	report := Report{Problems: []Problem{}, Notes: []string{}}
	chains, err := l.Store.Chains(ctx, l.DB)
	if err != nil {
		return report, err
	}
	own := l.Key.Chain()
	inFile := l.inFile(own)
	found := false
	for _, c := range chains {
		found = found || c.ID == own
		if err := l.verifyChain(ctx, c, inFile, &report); err != nil {
			return report, err
		}
	}
	if found && inFile.Seq == 0 {
		report.Problems = append(report.Problems, Problem{Chain: own, What: "the file with the chain's head is missing, or holds another"})
	}
	if !found && inFile.Seq > 0 {
		report.Problems = append(report.Problems, Problem{Chain: own, Seq: inFile.Seq, What: "the whole chain up to this record is missing"})
	}
	report.Chains = len(chains)
	return report, nil
}

func (l *Log) inFile(chain string) Mark {
	f, err := os.Open(l.Anchor)
	if err != nil {
		return Mark{}
	}
	defer f.Close()
	return readAnchor(f, chain, l.Key)
}

// walk is a verification under way.
type walk struct {
	key    *Key // nil: of another process
	file   Mark
	report *Report
	seq    int64
	hash   string
}

func (l *Log) verifyChain(ctx context.Context, c Chain, inFile Mark, report *Report) error {
	w := &walk{report: report, seq: c.Base.Seq, hash: c.Base.Hash}
	if c.ID == l.Key.Chain() {
		w.key, w.file = l.Key, inFile
		if !l.Key.holds(markBase, c.ID, c.Base) {
			w.problem(c.ID, c.Base.Seq, "the chain's beginning was altered", "")
		}
	} else {
		report.Notes = append(report.Notes, fmt.Sprintf("chain %s is %s's: without its key only hashes are checked", c.ID, c.Node))
	}
	for {
		records, err := l.Store.After(ctx, l.DB, c.ID, w.seq, 1000)
		if err != nil {
			return err
		}
		if len(records) == 0 {
			break
		}
		for _, r := range records {
			w.look(r)
		}
	}
	now, _, err := l.Store.Chain(ctx, l.DB, c.ID)
	if err != nil {
		return err
	}
	w.end(c.ID, now.Head)
	return nil
}

func (w *walk) problem(chain string, seq int64, what, event string) {
	w.report.Problems = append(w.report.Problems, Problem{chain, seq, what, event})
}

// look checks one record by itself, and then against the one before.
func (w *walk) look(r Record) {
	w.report.Records++
	var e Event
	readable := json.Unmarshal([]byte(r.Event), &e) == nil
	content := r.sum() == r.Hash
	sealed := w.key == nil || w.key.holds("record", r.Chain, Mark{r.Seq, r.Hash, r.Seal})
	if r.Seq != w.seq+1 {
		missing := fmt.Sprintf("records %d to %d are missing", w.seq+1, r.Seq-1)
		if r.Seq == w.seq+2 {
			missing = "the record is missing"
		}
		w.problem(r.Chain, w.seq+1, missing, "")
	}
	switch {
	case !sealed && !content:
		w.problem(r.Chain, r.Seq, "the record was altered, or put in", e.ID)
	case !sealed:
		w.problem(r.Chain, r.Seq, "the record was put in, or altered with its hash", e.ID)
	case !content:
		w.problem(r.Chain, r.Seq, "the record was altered", e.ID)
	case r.Seq == w.seq+1 && r.Prev != w.hash && w.hash != "":
		w.problem(r.Chain, r.Seq, "the record before it is not the one that it followed", e.ID)
	}
	if w.file.Seq == r.Seq && w.file.Hash != r.Hash && sealed && content {
		w.problem(r.Chain, r.Seq, "it is not the record of this number that was written first", e.ID)
	}
	if readable && e.Target.TypeURI == trailURI && e.Action == "start" && len(e.Attachments) > 0 {
		if how, _ := e.Attachments[0].Content.(string); how == endedKilled {
			w.report.Notes = append(w.report.Notes, fmt.Sprintf("chain %s, record %d, %s: the process before was %s", r.Chain, r.Seq, e.EventTime, how))
		} else if how != "none" && how != endedInOrder {
			w.problem(r.Chain, r.Seq, "a process found the trail "+how, e.ID)
		}
	}
	// A hash that is not sealed says nothing of what came before: the next record
	// is then checked by itself only.
	if w.seq, w.hash = r.Seq, r.Hash; !sealed {
		w.hash = ""
	}
}

// end compares the last record with the head, in the database and in the file.
func (w *walk) end(chain string, head Mark) {
	if w.key != nil && !w.key.holds(markHead, chain, head) {
		w.problem(chain, head.Seq, "the chain's end was altered", "")
		head = Mark{}
	}
	if end := max(head.Seq, w.file.Seq); w.seq < end {
		w.problem(chain, w.seq+1, fmt.Sprintf("records %d to %d are missing: the end was cut off", w.seq+1, end), "")
	} else if head.Seq > 0 && w.seq > head.Seq {
		w.problem(chain, head.Seq+1, fmt.Sprintf("records %d to %d were put in after the end", head.Seq+1, w.seq), "")
	}
}
