package kube

import (
	"bytes"
	"errors"
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// Lists of Kubernetes in protobuf are a message runtime.Unknown behind these four bytes, with the list itself as its raw content
// (k8s.io/apimachinery/pkg/runtime/generated.proto). Every list has its metadata and its items under the same numbers.
var protobufPrefix = []byte("k8s\x00")

const (
	unknownRaw   protowire.Number = 2
	listMetadata protowire.Number = 1
	listItems    protowire.Number = 2
)

var errNoList = errors.New("the answer holds no list in Kubernetes' protobuf encoding")

// eachInProtobuf calls each for the items of a list. It decodes one at a time: a whole page takes several times the memory that it
// takes on its way.
func eachInProtobuf(data []byte, newItem func() (runtime.Object, error), each func(runtime.Object) error) (list metav1.ListMeta, err error) {
	unknown, found := bytes.CutPrefix(data, protobufPrefix)
	if !found {
		return list, errNoList
	}
	found = false
	err = eachField(unknown, func(number protowire.Number, raw []byte) error {
		if number != unknownRaw {
			return nil
		}
		found = true
		return eachField(raw, func(number protowire.Number, content []byte) error {
			switch number {
			case listMetadata:
				return list.Unmarshal(content)
			case listItems:
				item, err := newItem()
				if err != nil {
					return err
				}
				if err := unmarshal(item, content); err != nil {
					return err
				}
				return each(item)
			}
			return nil
		})
	})
	if err == nil && !found {
		err = errNoList
	}
	return list, err
}

func unmarshal(item runtime.Object, data []byte) error {
	message, ok := item.(interface{ Unmarshal(data []byte) error })
	if !ok {
		return fmt.Errorf("%T cannot be decoded from protobuf", item)
	}
	return message.Unmarshal(data)
}

// eachField calls visit for the fields of a message that are messages or bytes.
func eachField(message []byte, visit func(number protowire.Number, content []byte) error) error {
	for len(message) > 0 {
		number, kind, length := protowire.ConsumeField(message)
		if length < 0 {
			return fmt.Errorf("decode protobuf: %w", protowire.ParseError(length))
		}
		if kind == protowire.BytesType {
			_, _, tag := protowire.ConsumeTag(message)
			content, _ := protowire.ConsumeBytes(message[tag:])
			if err := visit(number, content); err != nil {
				return err
			}
		}
		message = message[length:]
	}
	return nil
}
