package blueprint

import (
	"strconv"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"

	"github.com/storeplatform/terraform-provider-storeplatform/storekit/spec"
)

// Alphabets of generated values. Letters and digits alone need no escaping in a URL, a shell or PHP.
var (
	password = Alphabet{Characters: alphanumeric, Length: 32} // 190 bits
	longKey  = Alphabet{Characters: alphanumeric, Length: 64} // of WordPress and Medusa
)

const alphanumeric = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

// wordpressKeys are the keys and salts of wp-config.php. They must be the same in every pod and after every restart: else
// each restart logs everybody out.
var wordpressKeys = []string{
	"auth-key", "secure-auth-key", "logged-in-key", "nonce-key",
	"auth-salt", "secure-auth-salt", "logged-in-salt", "nonce-salt",
}

// secrets returns the Secrets of an embedded engine. A chart of the user's own brings its own.
//
// [CredentialsName] holds what nobody needs to know:
//   - database-user, database-password: of the one of the two [DatabaseUsers] that the shop uses
//   - database-keeper-password (WooCommerce): of the database's user that lets those two in and out
//   - database-root-password (WooCommerce) or postgres-password (Medusa): of the database's superuser
//   - auth-key … nonce-salt (WooCommerce): the eight keys and salts of WordPress
//   - jwt-secret, cookie-secret (Medusa): sign sessions
//   - cache-password (Medusa with a cache)
//
// [AdminName] holds username, email and password of the first administrator. [SMTPName], when mail is set up, holds host,
// port, user, from and password of the relay.
func (r renderer) secrets() []Secret {
	var all []Secret
	switch engine := r.store.Engine.(type) {
	case spec.WooCommerce:
		generated := map[string]Alphabet{
			"database-password": password, "database-keeper-password": password, "database-root-password": password,
		}
		for _, key := range wordpressKeys {
			generated[key] = longKey
		}
		all = append(all,
			r.credentials(generated),
			r.admin(engine.AdminUser, engine.AdminEmail, engine.AdminPassword, engine.KeepAdminPassword))
		if engine.SMTP != nil {
			all = append(all, r.smtp(*engine.SMTP))
		}
	case spec.Medusa:
		generated := map[string]Alphabet{
			"database-password": password, "postgres-password": password, "jwt-secret": longKey, "cookie-secret": longKey,
		}
		if engine.Cache {
			generated["cache-password"] = password
		}
		all = append(all,
			r.credentials(generated),
			r.admin(engine.AdminEmail, engine.AdminEmail, engine.AdminPassword, engine.KeepAdminPassword)) // Medusa's users log in with their address
	}
	return all
}

func (r renderer) credentials(generated map[string]Alphabet) Secret {
	first := DatabaseUsers(r.store.Engine.Kind())[0]
	return Secret{Object: r.secret(CredentialsName), Generated: generated, Initial: map[string]string{"database-user": first}}
}

// DatabaseUsers are the two users of the database that the shop of an embedded engine uses in turn, so that the password of one
// can change while it works with the other.
func DatabaseUsers(engine spec.EngineKind) [2]string {
	if engine == spec.KindMedusa {
		return [2]string{"medusa", "medusa_b"}
	}
	return [2]string{"wordpress", "wordpress_b"}
}

// Rotation describes the Secret [RotationName] of a store: new passwords, and the user of the database who gets one. It has the
// keys of [CredentialsName] and [AdminName] that they go to, and for=[spec.Store.Rotation].
func Rotation(fleet string, s spec.Store, databaseUser string) Secret {
	return Secret{
		Object:    newRenderer(fleet, s).secret(RotationName),
		Generated: map[string]Alphabet{"database-password": password, "password": password},
		Initial:   map[string]string{"database-user": databaseUser},
		Fixed:     map[string]string{"for": s.Rotation},
	}
}

// admin gives the administrator a generated password, or the given one: an empty one that is kept stays as it was.
func (r renderer) admin(username, email string, given spec.Secret, kept bool) Secret {
	s := Secret{Object: r.secret(AdminName), Fixed: map[string]string{"username": username, "email": email}}
	if given == "" && !kept {
		s.Generated = map[string]Alphabet{"password": password}
		return s
	}
	s.Given = map[string]spec.Secret{"password": given}
	return s
}

func (r renderer) smtp(relay spec.SMTP) Secret {
	return Secret{
		Object: r.secret(SMTPName),
		Fixed:  map[string]string{"host": relay.Host, "port": strconv.Itoa(relay.Port), "user": relay.User, "from": relay.From},
		Given:  map[string]spec.Secret{"password": relay.Password},
	}
}

func (r renderer) secret(name string) *unstructured.Unstructured {
	return object(corev1ac.Secret(name, r.store.Namespace()).WithLabels(r.labels).WithType(corev1.SecretTypeOpaque))
}
