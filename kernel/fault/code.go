package fault

// Code is a stable name of one failure: service.what_happened.
type Code string

// Definition is a code's row of codes.tsv.
type Definition struct {
	Code    Code
	Kind    Kind
	Type    string // Neutron's exception name; empty where none is shown
	Hint    string
	Meaning string // for docs/errors.md
}

// Definition answers the code's row; a code that is not in the table is an
// internal fault, which a test of the table keeps from happening.
func (c Code) Definition() Definition {
	if d, ok := definitions[c]; ok {
		return d
	}
	return Definition{Code: c, Kind: Internal}
}

// Kinds are the spellings of codes.tsv.
var Kinds = map[string]Kind{
	"Internal": Internal, "Invalid": Invalid, "Unauthenticated": Unauthenticated, "Forbidden": Forbidden,
	"NotFound": NotFound, "BadMethod": BadMethod, "NotAcceptable": NotAcceptable, "Conflict": Conflict,
	"Gone": Gone, "Precondition": Precondition, "TooLarge": TooLarge, "UnsupportedType": UnsupportedType,
	"BadRange": BadRange, "TooMany": TooMany, "NotImplemented": NotImplemented, "Unavailable": Unavailable,
	"OverQuota": OverQuota,
}
