// The device `pretend`: memory and kernels of the CPU behind a device of its own (PyTorch's PrivateUse1).
//
// It refuses what a card refuses: tensors of two devices in one call, random numbers of another device's generator,
// convolutions whose input and weights differ in dtype; under autocast it lowers what CUDA lowers. It counts when the
// CPU waits for a value. Nothing of it is fast.
#include <torch/extension.h>

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/EmptyTensor.h>
#include <ATen/autocast_mode.h>
#include <ATen/detail/PrivateUse1HooksInterface.h>
#include <ATen/native/Resize.h>
#include <ATen/ops/_reshape_alias_native.h>
#include <ATen/ops/unfold_native.h>
#include <ATen/ops/view_as_complex_native.h>
#include <ATen/ops/view_as_real_native.h>
#include <ATen/ops/view_native.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>

using namespace at;
using namespace at::autocast;
using c10::IValue;
using torch::jit::Stack;

namespace {

constexpr auto PRETEND = c10::DeviceType::PrivateUse1;
const Device HERE(PRETEND, 0);
long waits = 0, calls = 0;

struct Memory final : Allocator {
  DataPtr allocate(size_t bytes) override {
    void* data = c10::GetCPUAllocator()->raw_allocate(bytes ? bytes : 1);
    return {data, data, raw_deleter(), HERE};
  }
  DeleterFnPtr raw_deleter() const override {
    return [](void* data) { c10::GetCPUAllocator()->raw_deallocate(data); };
  }
  void copy_data(void* to, const void* from, size_t bytes) const override { memcpy(to, from, bytes); }
} memory;

struct Guard final : c10::impl::DeviceGuardImplInterface {
  c10::DeviceType type() const override { return PRETEND; }
  Device exchangeDevice(Device) const override { return HERE; }
  Device getDevice() const override { return HERE; }
  void setDevice(Device) const override {}
  void uncheckedSetDevice(Device) const noexcept override {}
  c10::Stream getStream(Device) const override { return c10::Stream(c10::Stream::DEFAULT, HERE); }
  c10::Stream exchangeStream(c10::Stream stream) const override { return stream; }
  DeviceIndex deviceCount() const noexcept override { return 1; }
  void synchronizeDevice(DeviceIndex) const override { waits++; }
  void record(void**, const c10::Stream&, DeviceIndex, c10::EventFlag) const override {}
};
C10_REGISTER_GUARD_IMPL(PrivateUse1, Guard);

// A generator of the CPU that only this device's random numbers may come from.
struct Numbers final : c10::GeneratorImpl {
  Generator cpu = at::detail::createCPUGenerator();

  Numbers() : GeneratorImpl(HERE, c10::DispatchKeySet(c10::DispatchKey::PrivateUse1)) {}
  void set_current_seed(uint64_t seed) override { cpu.set_current_seed(seed); }
  void set_offset(uint64_t offset) override { cpu.set_offset(offset); }
  uint64_t get_offset() const override { return cpu.get_offset(); }
  uint64_t current_seed() const override { return cpu.current_seed(); }
  uint64_t seed() override { return cpu.seed(); }
  void set_state(const c10::TensorImpl& state) override { cpu.unsafeGetGeneratorImpl()->set_state(state); }
  c10::intrusive_ptr<c10::TensorImpl> get_state() const override { return cpu.unsafeGetGeneratorImpl()->get_state(); }
  Numbers* clone_impl() const override {
    auto* copy = new Numbers();
    copy->cpu = cpu.clone();
    return copy;
  }
};

Generator& default_numbers() {
  static Generator numbers = make_generator<Numbers>();
  return numbers;
}

struct Hooks final : PrivateUse1HooksInterface {
  bool isBuilt() const override { return true; }
  bool isAvailable() const override { return true; }
  bool hasPrimaryContext(DeviceIndex) const override { return true; }
  DeviceIndex deviceCount() const override { return 1; }
  DeviceIndex getCurrentDevice() const override { return 0; }
  DeviceIndex exchangeDevice(DeviceIndex) const override { return 0; }
  DeviceIndex maybeExchangeDevice(DeviceIndex) const override { return 0; }
  void setCurrentDevice(DeviceIndex) const override {}
  Device getDeviceFromPtr(void*) const override { return HERE; }
  const Generator& getDefaultGenerator(DeviceIndex) const override { return default_numbers(); }
  Generator getNewGenerator(DeviceIndex) const override { return make_generator<Numbers>(); }
};

Tensor blank(IntArrayRef size, ScalarType dtype, std::optional<MemoryFormat> format) {
  return at::detail::empty_generic(size, &memory, c10::DispatchKeySet(c10::DispatchKey::PrivateUse1), dtype, format);
}

Tensor strided(IntArrayRef size, IntArrayRef strides, ScalarType dtype) {
  const c10::DispatchKeySet keys(c10::DispatchKey::PrivateUse1);
  return at::detail::empty_strided_generic(size, strides, &memory, keys, dtype);
}

// The same memory as a tensor of the CPU.
Tensor host(const Tensor& x) {
  if (!x.defined() || x.device() != HERE) return x;
  auto seen = from_blob(x.data_ptr(), x.sizes(), x.strides(), [x](void*) {}, TensorOptions().dtype(x.dtype()));
  if (x.is_conj()) seen = seen.conj();
  return x.is_neg() ? seen._neg_view() : seen;
}

// A copy of a tensor of the CPU on the device.
Tensor home(const Tensor& x) {
  if (!x.defined()) return x;
  Tensor copy = strided(x.sizes(), x.strides(), x.scalar_type());
  host(copy).copy_(x);
  return copy;
}

const Tensor& resized(const Tensor& x, c10::SymIntArrayRef symbols, std::optional<MemoryFormat> format) {
  const auto size = C10_AS_INTARRAYREF_SLOW(symbols);
  const size_t bytes = at::detail::computeStorageNbytesContiguous(size, x.itemsize(), x.storage_offset());
  auto* storage = x.storage().unsafeGetStorageImpl();
  if (storage->nbytes() < bytes) {
    DataPtr data = memory.allocate(bytes);
    if (storage->nbytes()) memcpy(data.get(), storage->data(), storage->nbytes());
    storage->set_data_ptr_noswap(std::move(data));
    storage->set_nbytes(bytes);
  }
  x.unsafeGetTensorImpl()->set_sizes_contiguous(size);
  if (format) x.unsafeGetTensorImpl()->empty_tensor_restride(*format);
  return x;
}

// Calls that a card lets have an index of the CPU beside its own tensors.
bool takes_both(const std::string& name) {
  return name == "aten::index" || name == "aten::index_put" || name == "aten::index_put_" ||
      name == "aten::_index_put_impl_";
}

Tensor argument(const Tensor& x, const c10::Argument& given, const std::string& call) {
  if (!x.defined()) return x;
  const bool written = given.alias_info() && given.alias_info()->isWrite();
  if (x.is_cpu()) {
    const bool number = x.dim() == 0 && !written;
    TORCH_CHECK(number || takes_both(call), call, ": `", given.name(), "` is on the CPU: all on one device, please");
    return x;
  }
  return written && x.numel() == 0 ? at::empty(x.sizes(), x.dtype()) : host(x);  // an empty result, to be resized
}

IValue generator(const IValue& given, const std::string& call) {
  auto numbers = given.isNone() ? default_numbers() : given.toGenerator();
  TORCH_CHECK(numbers.device() == HERE, call, ": random numbers of ", numbers.device());
  return static_cast<Numbers*>(numbers.unsafeGetGeneratorImpl())->cpu;
}

// Every call without a kernel below: by the CPU's kernel, in the same memory.
void call_cpu(const c10::OperatorHandle& op, Stack* stack) {
  calls++;
  const auto& name = op.operator_name().name;
  const auto& schema = op.schema();
  const size_t count = schema.arguments().size(), first = stack->size() - count;
  const Stack ours(stack->begin() + first, stack->end());
  for (size_t i = 0; i < count; i++) {
    const auto& given = schema.arguments()[i];
    auto& value = (*stack)[first + i];
    if (value.isTensor()) {
      value = argument(value.toTensor(), given, name);
    } else if (value.isTensorList()) {
      c10::List<Tensor> list;
      for (const Tensor& x : value.toTensorVector()) list.push_back(argument(x, given, name));
      value = list;
    } else if (value.isOptionalTensorList()) {
      c10::List<std::optional<Tensor>> list;
      for (std::optional<Tensor> x : value.toOptionalTensorList())
        list.push_back(x ? std::optional(argument(*x, given, name)) : std::nullopt);
      value = list;
    } else if (value.isDevice()) {
      value = Device(kCPU);
    } else if (given.type()->str().find("Generator") != std::string::npos) {
      value = generator(value, name);
    }
  }
  AutoDispatchBelowAutograd below;
  op.callBoxed(stack);
  const size_t results = schema.returns().size(), last = stack->size() - results;
  for (size_t r = 0; r < results; r++) {
    auto& value = (*stack)[last + r];
    const auto* alias = schema.returns()[r].alias_info();
    if (alias && alias->isWrite()) {  // an argument that was written: the one that was given
      for (size_t i = 0; i < count; i++) {
        const auto* written = schema.arguments()[i].alias_info();
        if (!written || written->beforeSets() != alias->beforeSets()) continue;
        if (ours[i].isTensor() && ours[i].toTensor().numel() == 0 && value.toTensor().numel()) {
          ours[i].toTensor().resize_(value.toTensor().sizes());
          host(ours[i].toTensor()).copy_(value.toTensor());
        }
        value = ours[i];
        break;
      }
    } else if (value.isTensor()) {
      TORCH_CHECK(!alias, name, " looks into a tensor and needs a kernel of its own here");
      value = home(value.toTensor());
    } else if (value.isTensorList()) {
      TORCH_CHECK(!alias, name, " looks into a tensor and needs a kernel of its own here");
      c10::List<Tensor> list;
      for (const Tensor& x : value.toTensorVector()) list.push_back(home(x));
      value = list;
    }
  }
}

void checked(const Tensor& x, const Tensor& weight) {
  calls++;
  TORCH_CHECK(x.device() == HERE && weight.device() == HERE, "convolution: all on one device, please");
  const auto given = x.scalar_type(), weights = weight.scalar_type();
  TORCH_CHECK(given == weights, "convolution: ", given, " with weights of ", weights);
}

Tensor convolve(
    const Tensor& x, const Tensor& weight, const std::optional<Tensor>& bias, IntArrayRef stride, IntArrayRef padding,
    IntArrayRef dilation, bool transposed, IntArrayRef output_padding, int64_t groups) {
  checked(x, weight);
  if (bias && bias->defined()) checked(x, *bias);
  AutoDispatchBelowAutograd below;
  const auto added = bias ? std::optional(host(*bias)) : std::nullopt;
  return home(at::convolution(
      host(x), host(weight), added, stride, padding, dilation, transposed, output_padding, groups));
}

std::tuple<Tensor, Tensor, Tensor> convolve_backward(
    const Tensor& gradient, const Tensor& x, const Tensor& weight, IntArrayRef stride, IntArrayRef padding,
    IntArrayRef dilation, bool transposed, IntArrayRef output_padding, int64_t groups, std::array<bool, 3> wanted) {
  checked(x, weight);
  checked(gradient, weight);
  AutoDispatchBelowAutograd below;
  const std::vector<int64_t> bias = {transposed ? weight.size(1) * groups : weight.size(0)};
  auto [a, b, c] = at::convolution_backward(
      host(gradient), host(x), host(weight), bias, stride, padding, dilation, transposed, output_padding, groups,
      wanted);
  return {home(a), home(b), home(c)};
}

}  // namespace

REGISTER_ALLOCATOR(PRETEND, &memory);

TORCH_LIBRARY_IMPL(_, PrivateUse1, kernels) {
  kernels.fallback(torch::CppFunction::makeFromBoxedFunction<&call_cpu>());
}

TORCH_LIBRARY_IMPL(aten, PrivateUse1, kernels) {
  kernels.impl(
      "empty.memory_format",
      [](c10::SymIntArrayRef size, std::optional<ScalarType> dtype, std::optional<Layout>, std::optional<Device>,
         std::optional<bool>, std::optional<MemoryFormat> format) {
        return blank(C10_AS_INTARRAYREF_SLOW(size), c10::dtype_or_default(dtype), format);
      });
  kernels.impl(
      "empty_strided",
      [](c10::SymIntArrayRef size, c10::SymIntArrayRef strides, std::optional<ScalarType> dtype, std::optional<Layout>,
         std::optional<Device>, std::optional<bool>) {
        const auto shape = C10_AS_INTARRAYREF_SLOW(size);
        return strided(shape, C10_AS_INTARRAYREF_SLOW(strides), c10::dtype_or_default(dtype));
      });
  kernels.impl("_copy_from", [](const Tensor& from, const Tensor& to, bool) {
    waits += to.is_cpu();
    AutoDispatchBelowAutograd below;
    host(to).copy_(host(from));
    return to;
  });
  kernels.impl("_copy_from_and_resize", [](const Tensor& from, const Tensor& to) {
    if (to.sizes() != from.sizes()) to.resize_(from.sizes());
    return to.copy_(from);
  });
  kernels.impl("_local_scalar_dense", [](const Tensor& x) {
    waits++;
    return at::_local_scalar_dense(host(x));
  });
  kernels.impl("resize_", resized);
  kernels.impl(
      "as_strided",
      [](const Tensor& x, c10::SymIntArrayRef size, c10::SymIntArrayRef strides, std::optional<c10::SymInt> offset) {
        const auto shape = C10_AS_INTARRAYREF_SLOW(size);
        const auto place = offset ? std::optional(offset->expect_int()) : std::nullopt;
        return native::as_strided_tensorimpl(x, shape, C10_AS_INTARRAYREF_SLOW(strides), place);
      });
  kernels.impl("view", [](const Tensor& x, c10::SymIntArrayRef size) {
    return native::view(x, C10_AS_INTARRAYREF_SLOW(size));
  });
  kernels.impl("_reshape_alias", [](const Tensor& x, c10::SymIntArrayRef size, c10::SymIntArrayRef strides) {
    return native::_reshape_alias(x, C10_AS_INTARRAYREF_SLOW(size), C10_AS_INTARRAYREF_SLOW(strides));
  });
  kernels.impl("unfold", native::unfold);
  kernels.impl("view_as_real", native::view_as_real);
  kernels.impl("view_as_complex", native::view_as_complex);
  kernels.impl(
      "set_.source_Storage_storage_offset",
      [](Tensor& x, Storage from, c10::SymInt offset, c10::SymIntArrayRef size,
         c10::SymIntArrayRef strides) -> Tensor& {
        x.unsafeGetTensorImpl()->set_storage_keep_dtype(from);
        x.unsafeGetTensorImpl()->set_sizes_and_strides(size, strides, offset);
        return x;
      });
  kernels.impl("convolution_overrideable", convolve);
  kernels.impl("convolution_backward_overrideable", convolve_backward);
}

TORCH_LIBRARY_IMPL(_, AutocastPrivateUse1, kernels) { kernels.fallback(torch::CppFunction::makeFallthrough()); }

// What autocast does to each call: torch's own lists, which are CUDA's.
#define LOWER(...) KERNEL_PRIVATEUSEONE(__VA_ARGS__, lower_precision_fp)
#define FULL(...) KERNEL_PRIVATEUSEONE(__VA_ARGS__, fp32)
#define FULL_RESULT(...) KERNEL_PRIVATEUSEONE(__VA_ARGS__, fp32_set_opt_dtype)
#define WIDEST(...) KERNEL_PRIVATEUSEONE(__VA_ARGS__, promote)
TORCH_LIBRARY_IMPL(aten, AutocastPrivateUse1, m) {
  AT_FORALL_LOWER_PRECISION_FP(LOWER)
  AT_FORALL_FP32(FULL)
  AT_FORALL_FP32_SET_OPT_DTYPE(FULL_RESULT)
  AT_FORALL_PROMOTE(WIDEST)
  AT_FORALL_DIFFERENT_REDISPATCH_SIGNATURE(KERNEL_DIFFERENT_REDISPATCH_SIGNATURE_PRIVATEUSEONE)
}

PYBIND11_MODULE(TORCH_EXTENSION_NAME, module) {
  module.def("start", [] {
    static Hooks hooks;
    RegisterPrivateUse1HooksInterface(&hooks);
  });
  module.def("seed", [](uint64_t seed) { default_numbers().set_current_seed(seed); });
  module.def("waits", [] { return waits; });
  module.def("calls", [] { return calls; });
}
