package consent

import (
	"context"
	"sync"
	"time"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/internal/logs"
	"github.com/zoom-operator/zoom-operator/internal/tokens"
)

// keep stores the token of a consent, and returns the one that stands then. With each consent Zoom
// ends the tokens of the same user's earlier ones, and no clock here says for certain which of two
// came first: answers overtake each other, and replicas have clocks of their own. So where another
// token stands, Zoom is asked which of the two it takes.
func (s *service) keep(ctx context.Context, in *v1alpha1.ZoomInstallation, g grant) (tokens.Token, error) {
	mine := g.kept()
	stands, lost := mine, false
	err := tokens.Save(ctx, s.writer, in, mine, func(stored tokens.Token) bool {
		var livesMine, livesStored life
		var both sync.WaitGroup
		both.Go(func() { livesMine = lifeOf(ctx, g.oauth, mine) })
		both.Go(func() { livesStored = lifeOf(ctx, g.oauth, stored) })
		both.Wait()
		winner := livesMine
		stands, lost = mine, false
		stays := outlives(livesStored, livesMine, stored.ConsentedAt, mine.ConsentedAt)
		if stays {
			winner = livesStored
			stands, lost = stored, livesMine == dead && livesStored != alive
		}
		if winner != alive && !lost {
			s.logger.Info("Two consents met and Zoom does not say whose token it takes, keeping the later one's", logs.Object(in)...)
		}
		return stays
	})
	switch {
	case err != nil:
		return tokens.Token{}, err
	case lost:
		return tokens.Token{}, errSuperseded
	}
	return stands, nil
}

// consentsMeet is how far apart the times of two consents can be for it to be open which came
// first: a consent is dated by Zoom's clock, or by one that is up to five minutes away from it.
const consentsMeet = 5 * time.Minute

// outlives says whether the token that is stored keeps its place beside that of another consent. It
// does when Zoom takes it and not the other one, or says no more of the one than of the other and
// it is not of the earlier consent. A token that Zoom does not take is never stored. That Zoom
// takes the stored one says nothing against one that it was not heard of, and whose consent is
// certainly later: not every access token ends with the next consent, and the refresh token beside
// it may have.
func outlives(stored, mine life, storedAt, mineAt time.Time) bool {
	switch {
	case mine == dead:
		return true
	case mine == unknown && mineAt.Sub(storedAt) > consentsMeet:
		return false
	case stored != mine:
		return stored > mine
	default:
		return !storedAt.Before(mineAt)
	}
}
