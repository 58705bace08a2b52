// Tensors of the pretend device as CPU tensors on the same memory, for the length of one call, and back.
#pragma once

#include <ATen/ATen.h>

#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "memory.h"

namespace pretend {

class Aliases {
 public:
  // A CPU tensor on the memory of ``tensor``; what is not on the device stays what it is.
  at::Tensor on_cpu(const at::Tensor& tensor) {
    if (!tensor.defined()) return tensor;
    if (tensor.device().type() != DEVICE) {
      foreign_.insert(tensor.unsafeGetTensorImpl());
      return tensor;
    }
    for (auto& [known, alias] : pairs_)
      if (known.is_same(tensor)) return alias;
    auto alias = at::detail::make_tensor<c10::TensorImpl>(
        cpu_storage(tensor.storage()), c10::DispatchKeySet(c10::DispatchKey::CPU), tensor.dtype());
    take_shape(alias, tensor);
    number_[alias.unsafeGetTensorImpl()] = pairs_.size();
    pairs_.emplace_back(tensor, alias);
    return alias;
  }

  // What the CPU's kernel did to the sizes and the memory of its arguments, done to those of the device.
  void write_back() {
    for (auto& [own, cpu] : cpu_of_) {
      if (cpu.data() != own->data()) own->set_data_ptr_noswap(borrow(cpu, here()));
      if (cpu.nbytes() != own->nbytes()) own->set_nbytes(cpu.nbytes());
    }
    for (auto& [tensor, alias] : pairs_)
      if (tensor.sizes() != alias.sizes() || tensor.strides() != alias.strides() ||
          tensor.storage_offset() != alias.storage_offset())
        tensor.unsafeGetTensorImpl()->set_sizes_and_strides(alias.sizes(), alias.strides(), alias.storage_offset());
  }

  // A tensor of the device on the memory of ``result``: an argument itself, a view of one, or a new one.
  at::Tensor on_device(const at::Tensor& result) {
    if (!result.defined() || !result.device().is_cpu() || foreign_.count(result.unsafeGetTensorImpl())) return result;
    auto known = number_.find(result.unsafeGetTensorImpl());
    if (known != number_.end()) return pairs_[known->second].first;
    at::Tensor made;
    for (auto& [tensor, alias] : pairs_)
      if (!made.defined() && alias.storage().is_alias_of(result.storage()))
        // the keys of its base: a view of a tensor of inference mode is one, too
        made = at::detail::make_tensor<c10::TensorImpl>(c10::TensorImpl::VIEW, c10::Storage(tensor.storage()),
                                                        tensor.key_set(), result.dtype());
    if (!made.defined())
      made = at::detail::make_tensor<c10::TensorImpl>(
          own_storage(result.storage()), c10::DispatchKeySet(c10::DispatchKey::PrivateUse1), result.dtype());
    take_shape(made, result);
    return made;
  }

 private:
  static void take_shape(at::Tensor& to, const at::Tensor& from) {
    auto* impl = to.unsafeGetTensorImpl();
    impl->set_sizes_and_strides(from.sizes(), from.strides(), from.storage_offset());
    if (from.unsafeGetTensorImpl()->is_wrapped_number()) impl->set_wrapped_number(true);
    to._set_conj(from.is_conj());
    to._set_neg(from.is_neg());
  }

  // The memory of ``owner``, which lives on as long as this pointer.
  static c10::DataPtr borrow(const c10::Storage& owner, c10::Device where) {
    auto* held = new c10::Storage(owner);
    return {const_cast<void*>(owner.data()), held, [](void* each) { delete static_cast<c10::Storage*>(each); }, where};
  }

  c10::Storage cpu_storage(const c10::Storage& own) {
    auto found = cpu_of_.find(own.unsafeGetStorageImpl());
    if (found != cpu_of_.end()) return found->second;
    c10::Storage cpu(c10::Storage::use_byte_size_t(), own.nbytes(), borrow(own, c10::Device(c10::DeviceType::CPU)),
                     c10::GetCPUAllocator(), /*resizable=*/true);
    cpu_of_.emplace(own.unsafeGetStorageImpl(), cpu);
    return cpu;
  }

  c10::Storage own_storage(const c10::Storage& cpu) {
    auto found = own_of_.find(cpu.unsafeGetStorageImpl());
    if (found != own_of_.end()) return found->second;
    c10::Storage own(c10::Storage::use_byte_size_t(), cpu.nbytes(), borrow(cpu, here()), &memory(), /*resizable=*/true);
    own_of_.emplace(cpu.unsafeGetStorageImpl(), own);
    return own;
  }

  std::vector<std::pair<at::Tensor, at::Tensor>> pairs_;        // a tensor of the device, and its alias
  std::unordered_map<c10::TensorImpl*, size_t> number_;         // of an alias among the pairs
  std::unordered_set<c10::TensorImpl*> foreign_;                // arguments that are not on the device
  std::unordered_map<c10::StorageImpl*, c10::Storage> cpu_of_;  // of the device's storages
  std::unordered_map<c10::StorageImpl*, c10::Storage> own_of_;  // of new storages that a kernel made
};

}  // namespace pretend
