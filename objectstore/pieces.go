package objectstore

import "context"

// Pieces answers the parts that an object was uploaded in; none where it is one
// blob.
func (s *Service) Pieces(ctx context.Context, o Object) ([]Piece, error) {
	if o.Pieces == 0 {
		return nil, nil
	}
	return s.store.Pieces(ctx, s.db, o.Blob)
}
