package testcluster

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

// User makes a user of the cluster with just these rights, in every namespace, and returns a client configuration for it.
// The user is deleted when the test ends. A user without rules may do nothing but ask what it may do.
func (c *Cluster) User(t testing.TB, name string, rules []rbacv1.PolicyRule) *rest.Config {
	t.Helper()
	ctx := t.Context()
	meta := metav1.ObjectMeta{Name: name + "-" + randomSuffix(t)}
	accounts, rbac := c.client.CoreV1().ServiceAccounts(metav1.NamespaceDefault), c.client.RbacV1()
	must := func(what string, err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("%s of user %s: %v", what, name, err)
		}
	}
	cleanup := func(what string, remove func(context.Context, string, metav1.DeleteOptions) error) {
		t.Cleanup(func() {
			// The test's own context has ended.
			err := remove(context.Background(), meta.Name, metav1.DeleteOptions{})
			if err != nil && !apierrors.IsNotFound(err) {
				t.Errorf("Delete %s of user %s: %v", what, name, err)
			}
		})
	}

	_, err := accounts.Create(ctx, &corev1.ServiceAccount{ObjectMeta: meta}, metav1.CreateOptions{})
	must("Create service account", err)
	cleanup("service account", accounts.Delete)
	_, err = rbac.ClusterRoles().Create(ctx, &rbacv1.ClusterRole{ObjectMeta: meta, Rules: rules}, metav1.CreateOptions{})
	must("Create cluster role", err)
	cleanup("cluster role", rbac.ClusterRoles().Delete)
	_, err = rbac.ClusterRoleBindings().Create(ctx, &rbacv1.ClusterRoleBinding{
		ObjectMeta: meta,
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: meta.Name},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: metav1.NamespaceDefault, Name: meta.Name}},
	}, metav1.CreateOptions{})
	must("Create cluster role binding", err)
	cleanup("cluster role binding", rbac.ClusterRoleBindings().Delete)
	token, err := accounts.CreateToken(ctx, meta.Name, &authenticationv1.TokenRequest{}, metav1.CreateOptions{})
	must("Create token", err)

	config := rest.AnonymousClientConfig(c.RESTConfig)
	config.BearerToken = token.Status.Token
	must("Wait for the rights", waitForRights(ctx, config, rules))
	return config
}

// waitForRights returns when the API server grants the last right of the rules. Nothing tells when it has read a new role,
// so it has to be asked.
func waitForRights(ctx context.Context, config *rest.Config, rules []rbacv1.PolicyRule) error {
	if len(rules) == 0 {
		return nil
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("create client: %w", err)
	}
	question := questionFor(rules[len(rules)-1])
	const interval, limit = 20 * time.Millisecond, 30 * time.Second
	return wait.PollUntilContextTimeout(ctx, interval, limit, true, func(ctx context.Context) (bool, error) {
		answer, err := client.AuthorizationV1().SelfSubjectAccessReviews().Create(ctx, question, metav1.CreateOptions{})
		if apierrors.IsUnauthorized(err) {
			return false, nil // the account is as new as the role
		}
		if err != nil {
			return false, fmt.Errorf("ask for the user's rights: %w", err)
		}
		return answer.Status.Allowed, nil
	})
}

// questionFor asks whether the first thing a rule allows is allowed.
func questionFor(rule rbacv1.PolicyRule) *authorizationv1.SelfSubjectAccessReview {
	first := func(values []string) string {
		if len(values) == 0 {
			return ""
		}
		return values[0]
	}
	review := &authorizationv1.SelfSubjectAccessReview{}
	if len(rule.NonResourceURLs) > 0 {
		review.Spec.NonResourceAttributes = &authorizationv1.NonResourceAttributes{Verb: first(rule.Verbs), Path: first(rule.NonResourceURLs)}
		return review
	}
	resource, subresource, _ := strings.Cut(first(rule.Resources), "/")
	review.Spec.ResourceAttributes = &authorizationv1.ResourceAttributes{
		Verb: first(rule.Verbs), Group: first(rule.APIGroups), Resource: resource, Subresource: subresource, Name: first(rule.ResourceNames),
	}
	return review
}
