// Files and batches as OpenAI has them: a JSONL file is uploaded, a batch names it, results are files again.
#include "mock/batch_apis.hpp"
#include "mock/json_read.hpp"
#include "mock/json_text.hpp"
#include "mock/multipart.hpp"

#include <nlohmann/json.hpp>

#include <unordered_set>

namespace assay::mock {

namespace {

using nlohmann::json;

constexpr size_t most_lines = 50'000;
constexpr size_t most_input = 200 * 1024 * 1024;

api_error invalid(std::string message, std::string param = {}, std::string code = {}) {
  return {400, std::move(message), "invalid_request_error", std::move(param), std::move(code), {}};
}

api_error no_such(const char* what, std::string_view id) {
  return {
      404, std::string("No such ") + what + " object: " + std::string(id), "invalid_request_error", "id", {},
      {}};
}

std::string dump(const json& value) { return value.dump(-1, ' ', false, json::error_handler_t::replace); }

json file_json(const stored_file& file) {
  json out{{"id", file.id},
           {"object", "file"},
           {"bytes", file.content.size()},
           {"created_at", file.created},
           {"filename", file.name},
           {"purpose", file.purpose},
           {"status", "processed"},
           {"status_details", nullptr},
           {"simulated", true}};
  out["expires_at"] = file.expires ? json(*file.expires) : json();
  return out;
}

/// One page of a list that is already in order. @p items have an `id`.
api_result<store_answer> page(const store_request& call, std::vector<json> items, uint64_t usual) {
  const auto limit = query_number(call.query, "limit", usual);
  if (!limit || *limit == 0)
    return invalid("Invalid 'limit': expected a positive integer.", "limit", "invalid_type");
  const auto after = query_value(call.query, "after");
  auto first = items.begin();
  if (after) {
    const auto found = std::find_if(items.begin(), items.end(),
                                    [id = std::string(*after)](const json& x) { return x["id"] == id; });
    first = found == items.end() ? found : found + 1;
  }
  items.erase(items.begin(), first);
  const auto more = items.size() > *limit;
  if (more)
    items.resize(*limit);
  json out{{"object", "list"}, {"has_more", more}, {"data", items}};
  out["first_id"] = items.empty() ? json() : items.front()["id"];
  out["last_id"] = items.empty() ? json() : items.back()["id"];
  return store_answer{dump(out)};
}

api_result<store_answer> upload(const store_request& call) {
  const auto parts = split_multipart(call.request.header("content-type"), call.request.body);
  if (!parts)
    return invalid("We could not parse the multipart/form-data body of your request.");
  stored_file file;
  file.owner = call.owner;
  file.created = call.unix_seconds(call.now);
  bool found = false;
  for (const auto& part : *parts) {
    if (part.name == "purpose")
      file.purpose = part.content;
    if (part.name == "file") {
      found = true;
      file.name = part.filename;
      file.content = part.content;
    }
    if (part.name == "expires_after[seconds]")
      file.expires = file.created + std::strtoll(std::string(part.content).c_str(), nullptr, 10);
  }
  if (!found)
    return invalid("'file' is a required property");
  if (file.purpose.empty())
    return invalid("'purpose' is a required property");
  if (file.purpose == "batch" && file.content.size() > most_input)
    return invalid("File is too large for purpose 'batch': the maximum is 200 MB.", "file");
  if (file.content.empty())
    return invalid("File is empty.", "file");
  if (file.expires && *file.expires < file.created + 3600)
    return invalid("Invalid 'expires_after[seconds]': expected a value of 3600..2592000.", "expires_after");
  const auto stored = call.files.add(std::move(file), "file-");
  if (!stored)
    return invalid("You have exceeded your file storage quota (simulated).");
  return store_answer{dump(file_json(*stored))};
}

api_result<store_answer> list_files(const store_request& call) {
  const auto purpose = query_value(call.query, "purpose");
  std::vector<json> items;
  for (const auto& file : call.files.list(call.owner))
    if (!purpose || file->purpose == *purpose)
      items.push_back(file_json(*file));
  return page(call, std::move(items), 10'000);
}

/// What is wrong with one line, as a batch shows it.
json problem(const char* code, std::string message, size_t line, json param = nullptr) {
  return {{"code", code}, {"message", std::move(message)}, {"param", std::move(param)}, {"line", line}};
}

/// Reads one line into @p job. @returns what is wrong with it, or null.
json read_line(std::string_view text, size_t number, std::string_view endpoint, batch_job& job,
               std::unordered_set<std::string>& ids) {
  using namespace reading;
  simdjson::dom::parser parser;
  object fields;
  if (!parse_object(parser, text, fields))
    return problem("invalid_json_line", "This line is not parseable as valid JSON.", number);
  const auto custom_id = text_of(member(fields, "custom_id"));
  if (!custom_id || custom_id->empty())
    return problem("missing_required_parameter", "Missing required parameter: 'custom_id'.", number,
                   "custom_id");
  if (text_of(member(fields, "method")).value_or("") != "POST")
    return problem("invalid_method", "The method of each request must be POST.", number, "method");
  const auto url = text_of(member(fields, "url")).value_or("");
  if (url != endpoint)
    return problem("mismatched_url",
                   "The URL of this request (" + std::string(url)
                       + ") does not match the endpoint of the batch.",
                   number, "url");
  const auto body = member(fields, "body");
  const auto inner = object_of(body);
  if (!inner)
    return problem("missing_required_parameter", "Missing required parameter: 'body'.", number, "body");
  if (!ids.emplace(*custom_id).second)
    return problem("duplicate_custom_id", "The custom_id '" + std::string(*custom_id) + "' is not unique.",
                   number, "custom_id");
  const std::string model(text_of(member(*inner, "model")).value_or(""));
  if (job.lines.empty())
    job.model = model;
  else if (model != job.model)
    return problem("mismatched_model", "All requests of a batch must name the same model.", number,
                   "body.model");
  job.lines.push_back({std::string(*custom_id), minified(*body), {}});
  return nullptr;
}

void read_lines(std::string_view text, std::string_view endpoint, batch_job& job) {
  auto problems = json::array();
  std::unordered_set<std::string> ids;
  for (size_t number = 1; !text.empty(); ++number) {
    const auto end = std::min(text.find('\n'), text.size());
    const auto line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.find_first_not_of(" \t\r") == std::string_view::npos)
      continue;
    if (auto wrong = read_line(line, number, endpoint, job, ids); !wrong.is_null() && problems.size() < 100)
      problems.push_back(std::move(wrong));
  }
  if (problems.empty() && job.lines.empty())
    problems.push_back(problem("empty_file", "The input file is empty.", 0));
  if (job.lines.size() > most_lines)
    problems.push_back(problem("too_many_tasks", "A batch has at most 50000 requests.", most_lines + 1));
  if (!problems.empty())
    job.problems = dump(problems);
}

json batch_json(const store_request& call, const batch_view& view) {
  const auto& job = view.job;
  const auto phase = view.phase;
  const auto stopped = [&](batch_phase p, nanoseconds at) {
    return phase == p ? json(call.unix_seconds(at)) : json();
  };
  constexpr std::array<const char*, 9> names{"",           "validating", "failed",     "in_progress",
                                             "finalizing", "completed",  "cancelling", "cancelled",
                                             "expired"};
  const bool began = phase != batch_phase::validating && phase != batch_phase::failed;
  uint64_t input = 0;
  uint64_t output = 0;
  for (size_t i = 0; i < job.run; ++i) {
    input += job.outcomes[i].input_tokens;
    output += job.outcomes[i].output_tokens;
  }
  json out{
      {"id", job.id},
      {"object", "batch"},
      {"endpoint", job.path},
      {"model", job.model.empty() ? json() : json(job.model)},
      {"errors", nullptr},
      {"input_file_id", job.input_file},
      {"completion_window", "24h"},
      {"status", names[static_cast<size_t>(phase)]},
      {"output_file_id", job.output_file.empty() ? json() : json(job.output_file)},
      {"error_file_id", job.error_file.empty() ? json() : json(job.error_file)},
      {"created_at", call.unix_seconds(job.created)},
      {"in_progress_at", began ? json(call.unix_seconds(view.running_at)) : json()},
      {"expires_at", call.unix_seconds(view.expires_at)},
      {"finalizing_at", phase == batch_phase::finalizing || phase == batch_phase::completed
                            ? json(call.unix_seconds(view.finalizing_at))
                            : json()},
      {"completed_at", stopped(batch_phase::completed, view.over_at)},
      {"failed_at", stopped(batch_phase::failed, view.over_at)},
      {"expired_at", stopped(batch_phase::expired, view.over_at)},
      {"cancelling_at", job.cancelled ? json(call.unix_seconds(*job.cancelled)) : json()},
      {"cancelled_at", stopped(batch_phase::cancelled, view.over_at)},
      {"request_counts",
       {{"total", began ? job.lines.size() : 0}, {"completed", view.answered}, {"failed", view.errored}}},
      {"metadata", job.metadata.empty() ? json() : json::parse(job.metadata)},
      {"usage",
       {{"input_tokens", input},
        {"input_tokens_details", {{"cached_tokens", 0}}},
        {"output_tokens", output},
        {"output_tokens_details", {{"reasoning_tokens", 0}}},
        {"total_tokens", input + output}}},
      {"simulated", true}};
  if (phase == batch_phase::failed)
    out["errors"] = {{"object", "list"}, {"data", json::parse(job.problems)}};
  return out;
}

/// The operation that a batch's endpoint asks for.
operation operation_of(std::string_view endpoint) {
  if (endpoint == "/v1/chat/completions" || endpoint == "/chat/completions")
    return operation::chat;
  if (endpoint == "/v1/embeddings" || endpoint == "/embeddings")
    return operation::embed;
  return operation::none;
}

api_result<store_answer> create(const store_request& call) {
  const auto body = json::parse(call.request.body, nullptr, false);
  if (!body.is_object())
    return invalid("We could not parse the JSON body of your request.");
  const auto text = [&](const char* name) {
    const auto found = body.find(name);
    return found != body.end() && found->is_string() ? found->get<std::string>() : std::string();
  };
  for (const auto* name : {"input_file_id", "endpoint", "completion_window"})
    if (text(name).empty())
      return invalid("Missing required parameter: '" + std::string(name) + "'.", name,
                     "missing_required_parameter");
  batch_job job;
  job.owner = call.owner;
  job.protocol = call.where.protocol;
  job.path = text("endpoint");
  job.op = operation_of(job.path);
  if (job.op == operation::none)
    return invalid("Invalid value: '" + job.path
                       + "'. The simulated provider runs '/v1/chat/completions' and '/v1/embeddings'.",
                   "endpoint", "invalid_value");
  if (text("completion_window") != "24h")
    return invalid("Invalid value: '" + text("completion_window") + "'. Supported values are: '24h'.",
                   "completion_window", "invalid_value");
  job.input_file = text("input_file_id");
  const auto file = call.files.find(call.owner, job.input_file);
  if (!file)
    return invalid("No such File object: " + job.input_file, "input_file_id");
  if (file->purpose != "batch")
    return invalid("File " + job.input_file + " has the purpose '" + file->purpose + "', not 'batch'.",
                   "input_file_id");
  if (const auto found = body.find("metadata"); found != body.end() && found->is_object())
    job.metadata = dump(*found);
  if (const auto found = body.find("output_expires_after"); found != body.end() && found->is_object())
    if (const auto lives = found->find("seconds"); lives != found->end() && lives->is_number_integer())
      job.output_lives = lives->get<int64_t>();
  read_lines(file->content, job.path, job);
  store_answer out;
  const auto stored = call.batches.add(std::move(job), "batch_", call.now, [&](const batch_view& view) {
    out.body = dump(batch_json(call, view));
  });
  if (!stored)
    return invalid("Too many batches are kept (simulated limit).");
  return out;
}

api_result<store_answer> list_batches(const store_request& call) {
  std::vector<json> items;
  call.batches.list(call.owner, call.where.protocol, call.now,
                    [&](const batch_view& view) { items.push_back(batch_json(call, view)); });
  return page(call, std::move(items), 20);
}

std::string result_line(const batch_job& job, size_t i) {
  const auto& outcome = job.outcomes[i];
  std::string out = "{\"id\":\"batch_req_" + job.id.substr(6, 8) + std::to_string(i) + "\",\"custom_id\":";
  append_json_string(out, job.lines[i].custom_id);
  if (outcome.status == 0)
    return out +=
           R"(,"response":null,"error":{"code":"batch_expired","message":"This request could not be executed )"
           R"(before the completion window expired."}})"
           "\n";
  out += ",\"response\":{\"status_code\":" + std::to_string(outcome.status) + ",\"request_id\":";
  append_json_string(out, outcome.request_id);
  return out.append(",\"body\":").append(outcome.body).append("},\"error\":null}\n");
}

} // namespace

api_result<store_answer> answer_openai_store(const store_request& call) {
  const std::string id(call.where.subject);
  store_answer out;
  const auto show = [&](const batch_view& view) { out.body = dump(batch_json(call, view)); };
  switch (call.where.op) {
  case operation::upload_file:
    return upload(call);
  case operation::list_files:
    return list_files(call);
  case operation::create_batch:
    return create(call);
  case operation::list_batches:
    return list_batches(call);
  case operation::get_batch:
    if (!call.batches.find(call.owner, call.where.protocol, id, call.now, show))
      return no_such("Batch", id);
    return out;
  case operation::cancel_batch:
    if (!call.batches.cancel(call.owner, call.where.protocol, id, call.now, show))
      return no_such("Batch", id);
    return out;
  case operation::delete_file:
    if (!call.files.remove(call.owner, id))
      return no_such("File", id);
    return store_answer{dump({{"id", id}, {"object", "file"}, {"deleted", true}})};
  default:
    break;
  }
  const auto file = call.files.find(call.owner, id);
  if (!file)
    return no_such("File", id);
  if (call.where.op == operation::file_content)
    return store_answer{file->content, "application/octet-stream",
                        "content-disposition: attachment; filename=\"results.jsonl\"\r\n"};
  return store_answer{dump(file_json(*file))};
}

void close_openai_batch(batch_job& job, batch_phase phase, file_store& files, int64_t unix_now) {
  if (phase == batch_phase::failed)
    return;
  std::string good;
  std::string bad;
  for (const auto i : shuffled(job.lines.size(), job.id)) {
    const auto status = job.outcomes[i].status;
    // What a cancelled batch did not run is in no file.
    if (status != 0 || phase == batch_phase::expired)
      (status != 0 && status < 400 ? good : bad) += result_line(job, i);
  }
  const auto write = [&](std::string content, const char* kind) {
    if (content.empty())
      return std::string();
    stored_file file;
    file.owner = job.owner;
    file.name = job.id + "_" + kind + ".jsonl";
    file.purpose = "batch_output";
    file.content = std::move(content);
    file.created = unix_now;
    if (job.output_lives)
      file.expires = unix_now + *job.output_lives;
    const auto stored = files.add(std::move(file), "file-");
    return stored ? stored->id : std::string();
  };
  job.output_file = write(std::move(good), "output");
  job.error_file = write(std::move(bad), "error");
}

std::string store_request::rfc3339(nanoseconds at) const {
  return to_rfc3339(wall_time(std::chrono::floor<milliseconds>(at - unix_zero)));
}

std::string_view subject_of(const batch_job& job) noexcept {
  return job.protocol == wire::gemini ? std::string_view(job.model) : std::string_view();
}

} // namespace assay::mock
