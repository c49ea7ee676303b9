package main

import (
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

var create = metav1.CreateOptions{}

// podTemplate is a pod of one container, labelled for a selector.
func podTemplate(image string) corev1.PodTemplateSpec {
	return corev1.PodTemplateSpec{
		ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"app": "test"}},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "main", Image: image}}},
	}
}

func deployment(image string) *appsv1.Deployment {
	return &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: "web"},
		Spec: appsv1.DeploymentSpec{
			Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "test"}}, Template: podTemplate(image),
		},
	}
}

func job(image string) *batchv1.Job {
	template := podTemplate(image)
	template.Spec.RestartPolicy = corev1.RestartPolicyNever
	retries := int32(0)
	return &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Name: "install"}, Spec: batchv1.JobSpec{Template: template, BackoffLimit: &retries}}
}

func claim(name, class string) corev1.PersistentVolumeClaim {
	c := corev1.PersistentVolumeClaim{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: corev1.PersistentVolumeClaimSpec{
			AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
			Resources:   corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Gi")}},
		},
	}
	if class != "" {
		c.Spec.StorageClassName = &class
	}
	return c
}

func TestBootTime(t *testing.T) {
	t.Logf("The cluster was ready after %.2f s.", sharedCluster(t).Seconds)
}

func TestDeploymentBecomesAvailable(t *testing.T) {
	t.Parallel()
	p := sharedCluster(t)
	namespace := p.namespace(t, nil)
	if _, err := p.client.AppsV1().Deployments(namespace).Create(t.Context(), deployment("example.com/web:1"), create); err != nil {
		t.Fatalf("Create deployment: %v", err)
	}
	eventually(t, p.client.AppsV1().RESTClient(), "deployments", namespace, "", &appsv1.Deployment{}, deploymentAvailable)
}

func TestStatefulSetGetsVolumes(t *testing.T) {
	t.Parallel()
	p := sharedCluster(t)
	namespace := p.namespace(t, nil)
	replicas := int32(2)
	set := &appsv1.StatefulSet{
		ObjectMeta: metav1.ObjectMeta{Name: "database"},
		Spec: appsv1.StatefulSetSpec{
			Replicas: &replicas, Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "test"}},
			Template: podTemplate("example.com/database:1"), VolumeClaimTemplates: []corev1.PersistentVolumeClaim{claim("data", "")},
		},
	}
	set.Spec.Template.Spec.Containers[0].VolumeMounts = []corev1.VolumeMount{{Name: "data", MountPath: "/data"}}
	if _, err := p.client.AppsV1().StatefulSets(namespace).Create(t.Context(), set, create); err != nil {
		t.Fatalf("Create stateful set: %v", err)
	}
	eventually(t, p.client.AppsV1().RESTClient(), "statefulsets", namespace, "", &appsv1.StatefulSet{}, func(s *appsv1.StatefulSet) bool {
		return s.Status.ReadyReplicas == replicas
	})
	bound := eventually(t, p.client.CoreV1().RESTClient(), "persistentvolumeclaims", namespace, "", &corev1.PersistentVolumeClaim{},
		func(c *corev1.PersistentVolumeClaim) bool { return c.Status.Phase == corev1.ClaimBound })
	if got, want := *bound.Spec.StorageClassName, "local-path"; got != want {
		t.Errorf("A claim without a class got class %q, want the default of k3s, %q", got, want)
	}

	// Without its pods and claims, the volume has nobody left and goes too.
	if err := p.client.AppsV1().StatefulSets(namespace).Delete(t.Context(), set.Name, metav1.DeleteOptions{}); err != nil {
		t.Fatalf("Delete stateful set: %v", err)
	}
	if err := p.client.CoreV1().PersistentVolumeClaims(namespace).DeleteCollection(t.Context(), metav1.DeleteOptions{}, metav1.ListOptions{}); err != nil {
		t.Fatalf("Delete claims: %v", err)
	}
	untilGone(t, p.client.CoreV1().RESTClient(), "persistentvolumes", bound.Spec.VolumeName, &corev1.PersistentVolume{})
}

func TestJobCompletes(t *testing.T) {
	t.Parallel()
	p := sharedCluster(t)
	namespace := p.namespace(t, nil)
	if _, err := p.client.BatchV1().Jobs(namespace).Create(t.Context(), job("example.com/install:1"), create); err != nil {
		t.Fatalf("Create job: %v", err)
	}
	eventually(t, p.client.BatchV1().RESTClient(), "jobs", namespace, "", &batchv1.Job{}, func(j *batchv1.Job) bool {
		return j.Status.Succeeded == 1 && j.Status.CompletionTime != nil
	})
}

func TestAddresses(t *testing.T) {
	t.Parallel()
	p := sharedCluster(t)
	namespace := p.namespace(t, nil)
	service := &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: "web"},
		Spec:       corev1.ServiceSpec{Type: corev1.ServiceTypeLoadBalancer, Ports: []corev1.ServicePort{{Port: 80}}},
	}
	if _, err := p.client.CoreV1().Services(namespace).Create(t.Context(), service, create); err != nil {
		t.Fatalf("Create service: %v", err)
	}
	ingress := &networkingv1.Ingress{
		ObjectMeta: metav1.ObjectMeta{Name: "web"},
		Spec: networkingv1.IngressSpec{DefaultBackend: &networkingv1.IngressBackend{
			Service: &networkingv1.IngressServiceBackend{Name: "web", Port: networkingv1.ServiceBackendPort{Number: 80}},
		}},
	}
	if _, err := p.client.NetworkingV1().Ingresses(namespace).Create(t.Context(), ingress, create); err != nil {
		t.Fatalf("Create ingress: %v", err)
	}
	eventually(t, p.client.CoreV1().RESTClient(), "services", namespace, "", &corev1.Service{}, func(s *corev1.Service) bool {
		return len(s.Status.LoadBalancer.Ingress) == 1 && s.Status.LoadBalancer.Ingress[0].IP == nodeExternalIP
	})
	got := eventually(t, p.client.NetworkingV1().RESTClient(), "ingresses", namespace, "", &networkingv1.Ingress{}, func(i *networkingv1.Ingress) bool {
		return len(i.Status.LoadBalancer.Ingress) == 1 && i.Status.LoadBalancer.Ingress[0].IP == nodeExternalIP
	})
	if class := got.Spec.IngressClassName; class == nil || *class != "traefik" {
		t.Errorf("An ingress without a class got %v, want the default of k3s, traefik", class)
	}
}

func TestPodSecurityRefusesPrivilegedPods(t *testing.T) {
	t.Parallel()
	p := sharedCluster(t)
	namespace := p.namespace(t, nil)
	_, err := p.client.CoreV1().Namespaces().Patch(t.Context(), namespace, "application/merge-patch+json",
		[]byte(`{"metadata":{"labels":{"pod-security.kubernetes.io/enforce":"restricted"}}}`), metav1.PatchOptions{})
	if err != nil {
		t.Fatalf("Label namespace: %v", err)
	}
	privileged := true
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "root"}, Spec: podTemplate("example.com/root:1").Spec}
	pod.Spec.Containers[0].SecurityContext = &corev1.SecurityContext{Privileged: &privileged}
	if _, err := p.client.CoreV1().Pods(namespace).Create(t.Context(), pod, create); !apierrors.IsForbidden(err) {
		t.Errorf("Creating a privileged pod in a restricted namespace ended with %v, want Forbidden", err)
	}
}

func TestNamespaceWithContentGoes(t *testing.T) {
	t.Parallel()
	p := sharedCluster(t)
	namespace, err := p.client.CoreV1().Namespaces().Create(t.Context(),
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "t-"}}, create)
	if err != nil {
		t.Fatalf("Create namespace: %v", err)
	}
	if _, err := p.client.AppsV1().Deployments(namespace.Name).Create(t.Context(), deployment("example.com/web:1"), create); err != nil {
		t.Fatalf("Create deployment: %v", err)
	}
	eventually(t, p.client.AppsV1().RESTClient(), "deployments", namespace.Name, "", &appsv1.Deployment{}, deploymentAvailable)
	if err := p.client.CoreV1().Namespaces().Delete(t.Context(), namespace.Name, metav1.DeleteOptions{}); err != nil {
		t.Fatalf("Delete namespace: %v", err)
	}
	untilGone(t, p.client.CoreV1().RESTClient(), "namespaces", namespace.Name, &corev1.Namespace{})
}
