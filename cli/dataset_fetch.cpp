#include "cli/dataset_fetch.hpp"

#include "cli/api_client.hpp"
#include "io/http_fetch.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <system_error>
#include <utility>

namespace assay::cli {

namespace {

namespace fs = std::filesystem;
/// Columns keep their order.
using json = nlohmann::ordered_json;

constexpr uint64_t page_rows = 100;
constexpr milliseconds patience{60'000};
constexpr size_t longest_page = size_t{64} << 20;

std::string encoded(const std::string& text) {
  constexpr std::string_view plain = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~";
  constexpr std::string_view digits = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    if (plain.find(c) != std::string_view::npos) {
      out.push_back(c);
      continue;
    }
    const auto byte = static_cast<unsigned char>(c);
    out.push_back('%');
    out.push_back(digits[byte >> 4U]);
    out.push_back(digits[byte & 0x0FU]);
  }
  return out;
}

fault cannot_write(const std::string& file, const std::string& why) {
  return {errc::store_failed, "the rows cannot be written: " + why, file,
          "free some space, or name another file"};
}

/// What an earlier attempt has left: its whole lines. A line that was cut is dropped.
result<uint64_t> recover(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  if (!in.is_open())
    return uint64_t{0};
  uint64_t lines = 0;
  uintmax_t whole = 0;
  for (std::string line; std::getline(in, line);) {
    if (in.eof())
      break;
    whole += line.size() + 1;
    ++lines;
  }
  in.close();
  std::error_code error;
  fs::resize_file(file, whole, error);
  if (error)
    return cannot_write(file, error.message());
  return lines;
}

std::string reason_in(const std::string& body) {
  const auto answer = json::parse(body, nullptr, false);
  const auto error = answer.is_object() ? answer.find("error") : answer.end();
  return answer.is_object() && error != answer.end() && error->is_string()
             ? error->get<std::string>().substr(0, 300)
             : std::string{};
}

struct page {
  json rows;
  uint64_t total = 0;
};

result<page> read_page(const std::string& body) {
  const auto answer = json::parse(body, nullptr, false);
  const fault malformed{errc::malformed_answer, "the answer is no page of rows", {}, "check --base-url"};
  if (!answer.is_object() || !answer.contains("rows") || !answer["rows"].is_array())
    return malformed;
  page out;
  out.total = answer.value("num_rows_total", uint64_t{0});
  out.rows = json::array();
  for (const auto& one : answer["rows"]) {
    if (!one.is_object() || !one.contains("row") || !one["row"].is_object())
      return malformed;
    if (const auto cut = one.find("truncated_cells"); cut != one.end() && cut->is_array() && !cut->empty())
      return fault{errc::unsupported,
                   "the server shortens long cells of this dataset",
                   {},
                   "download the dataset, and convert it to JSONL"};
    out.rows.push_back(one["row"]);
  }
  return out;
}

} // namespace

result<page_getter> make_page_getter(const std::string& base_url, const config::network_settings& network) {
  const auto where = io::parse_base_url(base_url);
  if (!where)
    return where.error();
  io::fetch_request request;
  request.where = *where;
  request.timeout = patience;
  request.max_response_bytes = longest_page;
  request.tls.extra_ca_file = network.extra_ca_file;
  request.proxy = proxy_for(network, *where);
  return page_getter([request](const std::string& target) -> result<std::string> {
    auto one = request;
    one.target = target;
    auto answer = io::fetch(one);
    if (!answer)
      return answer.error();
    if (answer->status == 200)
      return std::move(answer->body);
    const auto reason = reason_in(answer->body);
    const bool known = answer->status == 404 || answer->status == 401 || answer->status == 403;
    return fault{
        known ? errc::not_found : errc::provider_unavailable,
        "the server answered " + std::to_string(answer->status) + (reason.empty() ? "" : ": " + reason),
        io::to_string(one.where),
        known ? "check the dataset's name, --config and --split; datasets that need consent cannot be fetched"
              : "run the same command again; it goes on where it stopped"};
  });
}

result<dataset_fetched> fetch_dataset(const dataset_wish& wish, const page_getter& get,
                                      const std::function<void(uint64_t, uint64_t)>& progress) {
  const std::string part = wish.file + ".part";
  auto there = recover(part);
  if (!there)
    return there.error();
  dataset_fetched out;
  out.rows = out.resumed = *there;
  std::ofstream file(part, std::ios::binary | std::ios::app);
  if (!file.is_open())
    return cannot_write(part, "it cannot be opened");
  const std::string question = "/rows?dataset=" + encoded(wish.name) + "&config=" + encoded(wish.part)
                               + "&split=" + encoded(wish.split) + "&offset=";
  while (out.rows < wish.limit) {
    const auto length = std::min(page_rows, wish.limit - out.rows);
    auto body = get(question + std::to_string(out.rows) + "&length=" + std::to_string(length));
    if (!body)
      return body.error();
    auto rows = read_page(*body);
    if (!rows)
      return rows.error();
    if (rows->rows.size() > length)
      return fault{
          errc::malformed_answer, "the page has more rows than were asked for", {}, "check --base-url"};
    for (const auto& row : rows->rows)
      file << row.dump(-1, ' ', false, json::error_handler_t::replace) << '\n';
    file.flush();
    if (!file)
      return cannot_write(part, "the disk may be full");
    out.rows += rows->rows.size();
    if (progress)
      progress(out.rows, rows->total);
    out.cut = rows->total > out.rows;
    if (rows->rows.empty() || (rows->total > 0 && out.rows >= rows->total))
      break;
  }
  file.close();
  if (out.rows == 0)
    return fault{errc::not_found, "the split has no rows", wish.name, "check --config and --split"};
  std::error_code error;
  fs::rename(part, wish.file, error);
  if (error)
    return cannot_write(wish.file, error.message());
  return out;
}

} // namespace assay::cli
