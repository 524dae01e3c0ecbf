package objectstore

import (
	"context"
	"errors"
	"time"

	"altostack/kernel/db"
)

// ErrNoBlob is a backend's word that a blob is not there.
var ErrNoBlob = errors.New("no such blob")

// Store is what the service asks of its tables. Every write is part of the
// caller's transaction.
type Store interface {
	Account(ctx context.Context, r db.Reader, name string) (Account, bool, error)
	SaveAccount(ctx context.Context, tx *db.Tx, a Account) error
	// DeletedAccounts are those whose name was deleted and not forgotten yet.
	DeletedAccounts(ctx context.Context, r db.Reader) ([]Account, error)
	ForgetAccount(ctx context.Context, tx *db.Tx, name string) error
	// AccountSystem answers an account's System alone: no sums are read.
	AccountSystem(ctx context.Context, r db.Reader, name string) (map[string]string, error)
	Containers(ctx context.Context, r db.Reader, account string, w Window) ([]Container, error)

	Container(ctx context.Context, r db.Reader, account, name string) (Container, bool, error)
	ContainerByID(ctx context.Context, r db.Reader, id int64) (Container, bool, error)
	InsertContainer(ctx context.Context, tx *db.Tx, c Container) error
	// SaveContainer writes c if its row is one generation behind, and reports whether it was.
	SaveContainer(ctx context.Context, tx *db.Tx, c Container) (bool, error)
	DeleteContainer(ctx context.Context, tx *db.Tx, c Container) error
	Usage(ctx context.Context, r db.Reader, container int64) (Usage, error)
	// Count adds to the sums of a container and its account. key spreads busy
	// containers over several rows.
	Count(ctx context.Context, tx *db.Tx, c Container, key string, delta Usage) error

	// Latest is the version that a name stands for, delete markers included.
	Latest(ctx context.Context, r db.Reader, container int64, name string) (Object, bool, error)
	Version(ctx context.Context, r db.Reader, container int64, name string, stamp int64) (Object, bool, error)
	Null(ctx context.Context, r db.Reader, container int64, name string) (Object, bool, error)
	// Newest is the newest version, whether it is the latest or not.
	Newest(ctx context.Context, r db.Reader, container int64, name string) (Object, bool, error)
	InsertObject(ctx context.Context, tx *db.Tx, o Object) error
	SaveObject(ctx context.Context, tx *db.Tx, o Object) error // all but the bytes' columns
	DeleteObject(ctx context.Context, tx *db.Tx, container int64, name string, stamp int64) error
	// Objects lists what is listed, by name; Versions every row, newest first within a name.
	Objects(ctx context.Context, r db.Reader, container int64, w Window) ([]Object, error)
	Versions(ctx context.Context, r db.Reader, container int64, w Window) ([]Object, error)
	// Expired lists objects whose time was up at now (seconds), oldest first.
	Expired(ctx context.Context, r db.Reader, now int64, limit int) ([]Object, error)

	Pieces(ctx context.Context, r db.Reader, list string) ([]Piece, error)
	InsertPieces(ctx context.Context, tx *db.Tx, list string, pieces []Piece) error
	InsertUpload(ctx context.Context, tx *db.Tx, u Upload) error
	Upload(ctx context.Context, r db.Reader, container int64, id string) (Upload, bool, error)
	Uploads(ctx context.Context, r db.Reader, container int64, w Window) ([]Upload, error)
	DeleteUpload(ctx context.Context, tx *db.Tx, id string) error
	SavePart(ctx context.Context, tx *db.Tx, upload string, p Part) (replaced string, err error)
	Parts(ctx context.Context, r db.Reader, upload string, after, limit int) ([]Part, error)

	// Discard notes a blob as garbage unless a row still names it; a list with
	// all of its pieces.
	Discard(ctx context.Context, tx *db.Tx, policy int, blob string, list bool) error
	Garbage(ctx context.Context, r db.Reader, limit int) ([]Garbage, error)
	Swept(ctx context.Context, tx *db.Tx, blobs []string) error

	OpenBlock(ctx context.Context, tx *db.Tx, b Block) error
	CloseBlock(ctx context.Context, tx *db.Tx, block string) error
	ExtendBlocks(ctx context.Context, tx *db.Tx, writer string, deadline time.Time) error
	// DeadBlocks lists blocks of processes that are gone: all but self's when
	// alone, otherwise those whose deadline has passed.
	DeadBlocks(ctx context.Context, r db.Reader, now time.Time, alone bool, self string) ([]Block, error)
	// Named tells which of the blobs a row names.
	Named(ctx context.Context, r db.Reader, blobs []string) (map[string]bool, error)
	// Blobs lists blobs that rows name, in order of id after the one given, with
	// their policies.
	Blobs(ctx context.Context, r db.Reader, after string, limit int) ([]Garbage, error)
	SaveDamage(ctx context.Context, tx *db.Tx, d Damage) error
}

// Window is a range of names to read, in order of bytes. Max is always outside of
// it, Min only with After; nil is no bound.
type Window struct {
	Min, Max []byte
	After    bool
	Reverse  bool
	Limit    int
	// At, in seconds since 1970, leaves out objects whose time was up then; 0: none.
	At int64
	// Stamp, where not 0, continues a list of versions behind the one of this
	// stamp of the name Min; with Reverse, of the name Max.
	Stamp int64
}

// Piece is one blob of an object that was uploaded in parts.
type Piece struct {
	Number      int
	Blob        string
	Start, Size int64
	ETag        string
}

// Upload is an upload in parts that is under way.
type Upload struct {
	ID           string
	ContainerID  int64
	Name         string
	ContentType  string
	Meta, System map[string]string
	CreatedAt    time.Time
}

// Part is one part of an upload.
type Part struct {
	Number    int
	Blob      string
	Size      int64
	ETag      string
	CreatedAt time.Time
}

// Garbage is a blob and where it is.
type Garbage struct {
	Blob   string
	Policy int
}

// Block is a range of blob ids given to a process.
type Block struct {
	ID, Writer string
	Policy     int
	Deadline   time.Time
}

// Damage is a blob that the scrubber found damaged.
type Damage struct {
	Blob    string
	Policy  int
	Reason  string
	FoundAt time.Time
}
