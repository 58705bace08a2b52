// The pretend device: PyTorch's PrivateUse1 backend, whose every operator checks CUDA's rules about devices and then
// runs the CPU's kernel on the same memory. Built and configured from Python, see __init__.py beside this file.
#include <torch/csrc/utils/pybind.h>
#include <torch/library.h>

#include <mutex>
#include <set>
#include <string>

#include "alias.h"
#include "memory.h"

namespace pretend {

REGISTER_ALLOCATOR(c10::DeviceType::PrivateUse1, &memory());
C10_REGISTER_GUARD_IMPL(PrivateUse1, Guard);

struct Rules {
  std::set<std::string> mixing;       // operators that take a CPU tensor without dimensions beside tensors of the device
  std::set<std::string> cpu_only;     // those that the CPU has and CUDA has not
  std::set<std::string> no_integers;  // those that CUDA has for floating point alone
  std::set<std::string> waiting;      // those for whose result the host waits
};

Rules rules;
std::vector<std::string> refused;  // every refusal so far, also those that somebody caught
std::mutex lock;
PyObject* listener = nullptr;  // called as listener(operator, is_view, host_waits), or null

void refuse(const std::string& why) {
  {
    std::lock_guard<std::mutex> held(lock);
    refused.push_back(why);
  }
  TORCH_CHECK(false, why);
}

void tell(const std::string& name, bool is_view, bool host_waits) {
  if (!listener) return;
  pybind11::gil_scoped_acquire gil;
  if (listener) pybind11::reinterpret_borrow<pybind11::function>(listener)(name, is_view, host_waits);
}

std::string short_name(const c10::FunctionSchema& schema) {
  std::string name = schema.name().substr(schema.name().find("::") + 2);
  return schema.overload_name().empty() ? name : name + "." + schema.overload_name();
}

bool takes_cpu_indices(const std::string& name) {
  return name.rfind("index.Tensor", 0) == 0 || name.find("index_put") != std::string::npos ||
         name.rfind("_unsafe_index", 0) == 0;
}

// What the rules need to know of the arguments of a call.
struct Call {
  const c10::OperatorHandle& op;
  torch::jit::Stack& stack;
  const c10::FunctionSchema& schema;
  const size_t begin;
  const std::string name;
  const bool indexing;
  std::string elsewhere;  // tensors that ought to be on the device
  bool ours = false, our_generator = false, cpu_generator = false, integers = false, by_mask = false, sends_index = false;

  Call(const c10::OperatorHandle& op, torch::jit::Stack& stack)
      : op(op), stack(stack), schema(op.schema()), begin(stack.size() - schema.arguments().size()),
        name(short_name(schema)), indexing(takes_cpu_indices(name)) {
    for (size_t i = begin; i < stack.size(); i++) look(stack[i], schema.arguments()[i - begin].name());
  }

  void look(const c10::IValue& value, const std::string& argument) {
    if (value.isTensor()) see(value.toTensor(), argument, false);
    else if (value.isTensorList())
      for (const at::Tensor& each : value.toTensorVector()) see(each, argument, false);
    else if (value.isOptionalTensorList()) {
      for (const std::optional<at::Tensor>& each : value.toOptionalTensorVector())
        if (each) see(*each, argument, indexing);
    } else if (value.isDevice()) ours |= value.toDevice().type() == DEVICE;
    else if (value.isGenerator()) (value.toGenerator().device().type() == DEVICE ? our_generator : cpu_generator) = true;
  }

  void see(const at::Tensor& tensor, const std::string& argument, bool index) {
    if (!tensor.defined()) return;
    const bool mask = index && (tensor.scalar_type() == at::kBool || tensor.scalar_type() == at::kByte);
    if (tensor.device().type() == DEVICE) {
      if (!ours) integers = at::isIntegralType(tensor.scalar_type(), /*includeBool=*/true);
      ours = true;
      by_mask |= mask;
    } else if (index) {
      sends_index = true;
    } else if (tensor.dim() > 0 || !tensor.device().is_cpu() || !rules.mixing.count(name)) {
      elsewhere += (elsewhere.empty() ? "" : ", ") + argument + " of shape " + c10::str(tensor.sizes()) + " is on " +
                   tensor.device().str();
    }
  }

  void check() const {
    const std::string told = " (aten::" + name + ")";
    if (our_generator && !ours) refuse("Expected a generator on cpu, found one on " + here().str() + told);
    if (!elsewhere.empty())
      refuse("Expected all tensors to be on the same device, but found at least two devices, " + here().str() +
             " and cpu: " + elsewhere + told);
    if (cpu_generator) refuse("Expected a generator on " + here().str() + ", found one on cpu" + told);
    if (rules.cpu_only.count(name)) refuse("CUDA has no such operator" + told);
    if (integers && rules.no_integers.count(name)) refuse("CUDA has no such operator for integers" + told);
  }

  bool is_view() const {
    for (const auto& result : schema.returns())
      if (result.alias_info() && !result.alias_info()->isWrite()) return true;
    return false;
  }

  bool host_waits() const {
    // one value under a mask is a fill, which waits for nothing
    const bool fills = name.find("index_put") != std::string::npos && stack[begin + 2].toTensor().dim() == 0;
    return (by_mask && !fills) || (sends_index && ours) || rules.waiting.count(name);
  }

  std::string told() const { return by_mask ? name + " by a mask" : sends_index ? name + " by an index of the CPU" : name; }
};

c10::IValue replaced(const c10::IValue& value, const c10::TypePtr& type, Aliases& aliases) {
  if (value.isTensor()) return aliases.on_cpu(value.toTensor());
  if (value.isTensorList()) {
    c10::List<at::Tensor> list;
    for (const at::Tensor& each : value.toTensorVector()) list.push_back(aliases.on_cpu(each));
    return list;
  }
  if (value.isOptionalTensorList()) {
    c10::List<std::optional<at::Tensor>> list;
    for (const std::optional<at::Tensor>& each : value.toOptionalTensorVector())
      list.push_back(each ? std::optional<at::Tensor>(aliases.on_cpu(*each)) : each);
    return list;
  }
  if (value.isDevice() && value.toDevice().type() == DEVICE) return c10::Device(c10::DeviceType::CPU);
  if (value.isGenerator() && value.toGenerator().device().type() == DEVICE) return within(value.toGenerator());
  if (value.isNone() && type->str().find("Generator") != std::string::npos) return within(default_generator());
  return value;
}

// Any operator: look whether CUDA allows it, run the CPU's kernel on the same memory, bring the results back.
void any_operator(const c10::OperatorHandle& op, torch::jit::Stack* stack) {
  const Call call(op, *stack);
  call.check();
  tell(call.told(), call.is_view(), call.host_waits());
  Aliases aliases;
  for (size_t i = call.begin; i < stack->size(); i++)
    (*stack)[i] = replaced((*stack)[i], call.schema.arguments()[i - call.begin].type(), aliases);
  op.redispatchBoxed(c10::DispatchKeySet(c10::DispatchKey::CPU), stack);
  aliases.write_back();
  for (size_t i = stack->size() - call.schema.returns().size(); i < stack->size(); i++) {
    c10::IValue& value = (*stack)[i];
    if (value.isTensor()) {
      value = aliases.on_device(value.toTensor());
    } else if (value.isTensorList()) {
      c10::List<at::Tensor> list;
      for (const at::Tensor& each : value.toTensorVector()) list.push_back(aliases.on_device(each));
      value = list;
    }
  }
}

// What no CPU kernel can do: make memory, copy between devices, give a number to the host, change a storage.
at::Tensor empty(c10::IntArrayRef size, std::optional<at::ScalarType> dtype, std::optional<at::Layout>,
                 std::optional<c10::Device>, std::optional<bool>, std::optional<at::MemoryFormat> format) {
  return at::detail::empty_generic(size, &memory(), c10::DispatchKeySet(c10::DispatchKey::PrivateUse1),
                                   c10::dtype_or_default(dtype), format);
}

at::Tensor empty_strided(c10::IntArrayRef size, c10::IntArrayRef stride, std::optional<at::ScalarType> dtype,
                         std::optional<at::Layout>, std::optional<c10::Device>, std::optional<bool>) {
  return at::detail::empty_strided_generic(size, stride, &memory(), c10::DispatchKeySet(c10::DispatchKey::PrivateUse1),
                                           c10::dtype_or_default(dtype));
}

at::Tensor copy_between(const at::Tensor& from, const at::Tensor& to, bool non_blocking) {
  const bool leaves = from.device().type() == DEVICE, enters = to.device().type() == DEVICE;
  tell(leaves && enters ? "copy" : leaves ? "copy to the host" : "copy from the host", false,
       leaves != enters && !non_blocking);
  Aliases aliases;
  auto source = aliases.on_cpu(from), place = aliases.on_cpu(to);
  place.copy_(source);
  return to;
}

at::Tensor resize_and_copy(const at::Tensor& from, const at::Tensor& to) {
  to.resize_(from.sizes());
  return copy_between(from, to, false);
}

at::Scalar item(const at::Tensor& tensor) {
  tell("item", false, true);
  Aliases aliases;
  return aliases.on_cpu(tensor).item();
}

// Attention by its definition: so that nothing is taken for granted of the kernel that CUDA would choose.
int64_t attention_by_definition(const at::Tensor&, const at::Tensor&, const at::Tensor&,
                                const std::optional<at::Tensor>&, double, bool, std::optional<double>, bool) {
  constexpr int64_t math = 0;
  return math;
}

at::Tensor& set_view(at::Tensor& tensor, c10::Storage storage, int64_t offset, c10::IntArrayRef size,
                     c10::IntArrayRef stride) {
  auto strides = stride.size() == size.size() ? stride.vec() : c10::TensorType::contiguousStridesOf(size);
  auto* impl = tensor.unsafeGetTensorImpl();
  impl->set_storage_keep_dtype(std::move(storage));
  impl->set_sizes_and_strides(size, strides, offset);
  return tensor;
}

at::Tensor& set_storage(at::Tensor& tensor, c10::Storage storage) {
  const auto count = static_cast<int64_t>(storage.nbytes() / tensor.dtype().itemsize());
  return set_view(tensor, std::move(storage), 0, {count}, {});
}

at::Tensor& set_tensor(at::Tensor& tensor, const at::Tensor& source) {
  return set_view(tensor, source.storage(), source.storage_offset(), source.sizes(), source.strides());
}

at::Tensor& set_empty(at::Tensor& tensor) {
  c10::Storage none(c10::Storage::use_byte_size_t(), 0, memory().allocate(0), &memory(), /*resizable=*/true);
  return set_view(tensor, std::move(none), 0, {0}, {});
}

torch::CppFunction any() { return torch::CppFunction::makeFromBoxedFunction<&any_operator>(); }

TORCH_LIBRARY_IMPL(_, PrivateUse1, library) { library.fallback(any()); }

TORCH_LIBRARY_IMPL(aten, PrivateUse1, library) {
  library.impl("empty.memory_format", empty);
  library.impl("empty_strided", empty_strided);
  library.impl("_copy_from", copy_between);
  library.impl("_copy_from_and_resize", resize_and_copy);
  library.impl("_local_scalar_dense", item);
  library.impl("_fused_sdp_choice", attention_by_definition);
  library.impl("set_.source_Storage", set_storage);
  library.impl("set_.source_Storage_storage_offset", set_view);
  library.impl("set_.source_Tensor", set_tensor);
  library.impl("set_", set_empty);
  // PyTorch would look for a convolution of this backend's own
  library.impl("convolution", any());
  library.impl("convolution_backward", any());
}

}  // namespace pretend

PYBIND11_MODULE(pretend_device_backend, module) {
  using namespace pretend;
  at::RegisterPrivateUse1HooksInterface(new Hooks());
  module.def("default_generator", [] { return default_generator(); });
  // ``whole``: operators that PyTorch would break up, where one call is to be one operator
  module.def("set_rules", [](std::set<std::string> mixing, std::set<std::string> cpu_only,
                             std::set<std::string> no_integers, std::set<std::string> waiting,
                             const std::vector<std::string>& whole) {
    rules = {std::move(mixing), std::move(cpu_only), std::move(no_integers), std::move(waiting)};
    static torch::Library library(torch::Library::IMPL, "aten", c10::DispatchKey::PrivateUse1, __FILE__, __LINE__);
    for (const auto& name : whole) library.impl(name.c_str(), any());
  });
  module.def("refused", [] {
    std::lock_guard<std::mutex> held(lock);
    return refused;
  });
  module.def("forget_refused", [] {
    std::lock_guard<std::mutex> held(lock);
    refused.clear();
  });
  module.def("listen", [](pybind11::object to) {
    PyObject* before = listener;
    listener = to.is_none() ? nullptr : to.release().ptr();
    Py_XDECREF(before);
  });
}
