#include "storage/records_detail.hpp"

namespace assay::storage {

using namespace records_detail;

namespace {

// The first byte of an event row.
constexpr uint8_t lifecycle_row = 1;
constexpr uint8_t samples_row = 2;

void write_address(byte_writer& out, const sample_address& address) {
  out.varint(address.task);
  out.varint(address.variant);
  out.varint(address.sample);
  out.varint(address.epoch);
  out.varint(address.step);
  out.varint(address.generation);
}

sample_address read_address(byte_reader& in) noexcept {
  sample_address address;
  address.task = read_u16(in);
  address.variant = read_u16(in);
  address.sample = read_u32(in);
  address.epoch = read_u16(in);
  address.step = read_u16(in);
  address.generation = read_u16(in);
  return address;
}

bool is_known(event_type type) noexcept {
  return type >= event_type::evaluation_created && type <= event_type::log;
}

} // namespace

std::string_view record_encoder::lifecycle(const event& record) {
  byte_writer out(sealer_.begin(record_version));
  out.u8(lifecycle_row);
  out.u8(static_cast<uint8_t>(record.type));
  write_time(out, record.at);
  out.raw(record.data);
  return sealer_.seal();
}

std::string_view record_encoder::sample_events(std::span<const sample_address> samples) {
  byte_writer out(sealer_.begin(record_version));
  out.u8(samples_row);
  out.varint(samples.size());
  for (const auto& address : samples)
    write_address(out, address);
  return sealer_.seal();
}

result<event_row> record_decoder::events(run_id run, uint64_t seq, std::string_view stored) {
  const auto payload = open(stored, "event");
  if (!payload)
    return payload.error();
  byte_reader in(*payload);
  event_row row;
  const uint8_t kind = in.u8();
  if (kind == lifecycle_row) {
    auto& record = row.lifecycle.emplace();
    record.run = run;
    record.seq = seq;
    record.type = static_cast<event_type>(in.u8());
    if (!is_known(record.type))
      in.fail();
    record.at = read_time(in);
    if (in.ok())
      record.data = shared_text(in.rest());
  } else if (kind == samples_row) {
    const uint64_t count = in.varint_up_to(max_samples_per_event_row);
    row.samples.reserve(count);
    for (uint64_t i = 0; i < count && in.ok(); ++i)
      row.samples.push_back(read_address(in));
    if (count == 0)
      in.fail();
  } else {
    in.fail();
  }
  if (!in.complete())
    return damaged("event");
  return row;
}

result<uint64_t> record_decoder::event_count(std::string_view stored) {
  const auto payload = open(stored, "event");
  if (!payload)
    return payload.error();
  byte_reader in(*payload);
  const uint8_t kind = in.u8();
  const uint64_t count = kind == samples_row ? in.varint_up_to(max_samples_per_event_row) : 1;
  if (!in.ok() || count == 0 || (kind != lifecycle_row && kind != samples_row))
    return damaged("event");
  return count;
}

result<bool> record_decoder::is_lifecycle(std::string_view stored) {
  const auto payload = open(stored, "event");
  if (!payload)
    return payload.error();
  byte_reader in(*payload);
  const uint8_t kind = in.u8();
  if (!in.ok())
    return damaged("event");
  return kind == lifecycle_row;
}

} // namespace assay::storage
