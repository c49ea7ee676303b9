package spec

import "github.com/Masterminds/semver/v3"

// Versions that a store gets unless it says otherwise. Images are the official ones, pinned by tag.
const (
	WordPressVersion   = "7.1.0"  // docker-library/official-images
	WooCommerceVersion = "11.1.2" // needs WordPress 7.0 (woocommerce/woocommerce#68966)
	PHPVersion         = "8.3"
	WPCLIVersion       = "2.12.0"
	MariaDBVersion     = "11.8.8"
	PostgresVersion    = "17.11"
	ValkeyVersion      = "8.1.4"
	DefaultRegistry    = "docker.io"
)

// minWordPress is the oldest WordPress that a WooCommerce version runs on. A version that does not parse needs nothing.
func minWordPress(woocommerce string) string {
	v, err := semver.NewVersion(woocommerce)
	switch {
	case err != nil:
		return "0"
	case !v.LessThan(semver.MustParse("11.1.0")):
		return "7.0"
	case !v.LessThan(semver.MustParse("10.0.0")):
		return "6.7"
	default:
		return "6.0"
	}
}

func compatible(woocommerce, wordpress string) bool {
	v, err := semver.NewVersion(wordpress)
	return err != nil || !v.LessThan(semver.MustParse(minWordPress(woocommerce)))
}

// phpVersions are those of which there is an image for a WordPress version, and which it supports (make.wordpress.org/core, PHP
// compatibility). 8.1 and older have no security fixes any more.
func phpVersions(wordpress string) []string {
	all := []string{"8.2", "8.3", "8.4", "8.5"}
	v, err := semver.NewVersion(wordpress)
	switch {
	case err != nil || !v.LessThan(semver.MustParse("6.9")):
		return all
	case !v.LessThan(semver.MustParse("6.7")):
		return all[:3]
	case !v.LessThan(semver.MustParse("6.4")):
		return all[:2]
	default:
		return all[:1]
	}
}
