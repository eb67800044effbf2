#include "storage/keys.hpp"

namespace assay::storage {

namespace {

constexpr size_t run_key_bytes = 8;
constexpr size_t event_key_bytes = 16;
constexpr size_t sample_key_bytes = 22;
constexpr size_t response_key_bytes = 24;

/// Takes big-endian numbers off a key whose size was checked.
class key_reader {
public:
  explicit key_reader(std::string_view key) noexcept : key_(key) {}

  template <class T>
  T take() noexcept {
    uint64_t value = 0;
    for (size_t i = 0; i < sizeof(T); ++i)
      value = (value << 8) | static_cast<uint8_t>(key_[i]);
    key_.remove_prefix(sizeof(T));
    return static_cast<T>(value);
  }

private:
  std::string_view key_;
};

sample_address take_address(key_reader& in) noexcept {
  sample_address address;
  address.task = in.take<uint16_t>();
  address.variant = in.take<uint16_t>();
  address.sample = in.take<uint32_t>();
  address.epoch = in.take<uint16_t>();
  address.step = in.take<uint16_t>();
  address.generation = in.take<uint16_t>();
  return address;
}

} // namespace

void row_key::u16(uint16_t value) noexcept {
  bytes_[size_++] = static_cast<char>(value >> 8);
  bytes_[size_++] = static_cast<char>(value);
}

void row_key::u32(uint32_t value) noexcept {
  u16(static_cast<uint16_t>(value >> 16));
  u16(static_cast<uint16_t>(value));
}

void row_key::u64(uint64_t value) noexcept {
  u32(static_cast<uint32_t>(value >> 32));
  u32(static_cast<uint32_t>(value));
}

row_key run_key(run_id run) noexcept {
  row_key key;
  key.u64(run.value);
  return key;
}

row_key sample_key(run_id run, const sample_address& address) noexcept {
  row_key key;
  key.u64(run.value);
  key.u16(address.task);
  key.u16(address.variant);
  key.u32(address.sample);
  key.u16(address.epoch);
  key.u16(address.step);
  key.u16(address.generation);
  return key;
}

row_key response_key(run_id run, const sample_address& address, uint16_t attempt) noexcept {
  row_key key = sample_key(run, address);
  key.u16(attempt);
  return key;
}

row_key event_key(run_id run, uint64_t seq) noexcept {
  row_key key;
  key.u64(run.value);
  key.u64(seq);
  return key;
}

std::optional<run_id> parse_run_key(std::string_view key) noexcept {
  if (key.size() != run_key_bytes)
    return std::nullopt;
  return run_id{key_reader(key).take<uint64_t>()};
}

std::optional<sample_position> parse_sample_key(std::string_view key) noexcept {
  if (key.size() != sample_key_bytes)
    return std::nullopt;
  key_reader in(key);
  sample_position position;
  position.run = run_id{in.take<uint64_t>()};
  position.address = take_address(in);
  return position;
}

std::optional<response_position> parse_response_key(std::string_view key) noexcept {
  if (key.size() != response_key_bytes)
    return std::nullopt;
  key_reader in(key);
  response_position position;
  position.run = run_id{in.take<uint64_t>()};
  position.address = take_address(in);
  position.attempt = in.take<uint16_t>();
  return position;
}

std::optional<event_position> parse_event_key(std::string_view key) noexcept {
  if (key.size() != event_key_bytes)
    return std::nullopt;
  key_reader in(key);
  event_position position;
  position.run = run_id{in.take<uint64_t>()};
  position.seq = in.take<uint64_t>();
  return position;
}

bool same_sample(const sample_address& a, const sample_address& b) noexcept {
  return a.task == b.task && a.variant == b.variant && a.sample == b.sample && a.epoch == b.epoch
         && a.step == b.step;
}

} // namespace assay::storage
