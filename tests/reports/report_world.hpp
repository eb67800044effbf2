#pragma once

#include "core/reports/exporter.hpp"

#include <nlohmann/json.hpp>

#include <string>
#include <vector>

namespace assay::reports::test {

/// A run in memory, with texts that writers get wrong easily.
struct report_world {
  report_facts facts;
  std::vector<sample_record> samples;
  std::vector<response_record> responses;  ///< By sample.
  std::vector<tasks::row_value> documents; ///< By row of the dataset.
};

inline constexpr run_id world_run{1'700'000'000U, 0x2aU};

/// Texts for prompts and answers: Chinese, markup, quotes, line ends, formulas, control characters.
inline const std::vector<std::string>& awkward_texts() {
  static const std::vector<std::string> all{"=SUM(A1:A9)",
                                            "+1",
                                            "-2",
                                            "@cmd",
                                            "\tTab first",
                                            "\rReturn first",
                                            "plain",
                                            "He said \"no\", twice",
                                            "two\nlines\r\nand more",
                                            "北京是中国的首都，对吗？",
                                            "<script>alert('x')</script> & more",
                                            std::string("bell \x07 and \x01", 12),
                                            "tail \x7f end",
                                            "emoji 🙂",
                                            ""};
  return all;
}

/// @param epochs Answers of each row. Two tasks; the first has two scorers, one of them with a filter's name.
inline report_world make_world(uint32_t rows = 15, uint16_t epochs = 1) {
  report_world out;
  auto& run = out.facts.run;
  out.facts.version = "1.2.3";
  run.spec.id = world_run;
  run.spec.owner = user_id{"eva"};
  run.spec.model = model_id{"lab/model<1>"};
  run.spec.provider = provider_id{"lab"};
  run.spec.wire_model = "lab/model:1";
  run.spec.prompt_types = {"baseline"};
  run.spec.epochs = epochs;
  run.spec.random_seed = 7;
  run.spec.metadata = R"({"experiment": "北京"})";
  run.spec.requested = R"({"limit": 15})";
  run.spec.created_at = wall_time{milliseconds{1'700'000'000'250}};
  run.state = run_state::completed;
  run.started_at = run.spec.created_at + seconds{1};
  run.finished_at = run.spec.created_at + seconds{61};
  pinned_task first;
  first.id = task_id{"questions"};
  first.dataset_path = "/data/questions.jsonl";
  first.dataset_hash = "ab";
  first.dataset_rows = rows;
  first.sample_count = rows;
  first.scorer_names = {"exact_match", "exact_match,strict-match"};
  first.generation.temperature = 0.0;
  first.generation.max_tokens = 64;
  first.generation.stop = {"\n\n"};
  pinned_task second;
  second.id = task_id{"essays"};
  second.scorer_names = {"f1"};
  second.dataset_rows = 2;
  second.sample_count = 2;
  run.spec.tasks = {first, second};

  const auto& texts = awkward_texts();
  const auto add = [&](uint16_t task, uint32_t row, uint16_t epoch) {
    sample_record sample;
    sample.run = world_run;
    sample.address = {task, 0, row, epoch, 0, 0};
    sample.duration = milliseconds{100 + 10 * row};
    sample.usage = {10 + row, 5, 0, 0};
    sample.cost = money{1'000'000 + row};
    response_record response;
    response.run = world_run;
    response.address = sample.address;
    response.prompt = shared_text{texts[row % texts.size()] + " #" + std::to_string(row)};
    response.answer = shared_text{texts[(row + 1) % texts.size()]};
    response.target = shared_text{texts[(row + 2) % texts.size()]};
    response.finish = finish_reason::stop;
    response.usage = sample.usage;
    response.cost = sample.cost;
    response.timing.first_byte = microseconds{50'000};
    response.timing.transfer = microseconds{30'000};
    response.http_status = 200;
    response.served_model = "model-1-0613";
    response.request_id = "req-" + std::to_string(row);
    response.key = "k1";
    response.finished_at = run.spec.created_at + seconds{2} + milliseconds{row};
    if (row == 4) {
      sample.status = sample_status::failed;
      sample.error = errc::provider_timeout;
      response.error = errc::provider_timeout;
      response.error_message = "no answer in time <30 s>";
      response.failures = {{errc::provider_unavailable, 503, milliseconds{200}, false, "503 from \"lab\""},
                           {errc::provider_timeout, 0, milliseconds{0}, true, "no answer"}};
    } else {
      sample.status = sample_status::scored;
      const double score = task == 1 ? 0.25 : row % 3 == 0 ? 0.0 : 1.0;
      sample.scores.push_back({0, score, texts[(row + 1) % texts.size()].substr(0, 5)});
      if (task == 0)
        sample.scores.push_back({1, row % 2 == 0 ? 1.0 : 0.0, "strict"});
    }
    out.samples.push_back(sample);
    out.responses.push_back(response);
  };
  for (uint32_t row = 0; row < rows; ++row)
    for (uint16_t epoch = 0; epoch < epochs; ++epoch)
      add(0, row, epoch);
  for (uint32_t row = 0; row < 2; ++row)
    add(1, row, 0);
  for (uint32_t row = 0; row < rows; ++row) {
    std::string text =
        R"({"id": )" + std::to_string(row) + R"(, "question": )"
        + nlohmann::json(texts[row % texts.size()]).dump()
        + R"(, "numbers": [1, 1.0, 1e22, 1.5e-7, -0, 12345678901234567890123, 0.1], "empty": {}, "none": [],)"
        + R"( "nested": {"b": true, "a": null}, "id2": "北京"})";
    out.documents.push_back(tasks::parse_row_value(text).value());
  }
  nlohmann::json result{{"evaluation_id", to_string(world_run)},
                        {"model_id", "lab/model<1>"},
                        {"summary_metrics", {{"overall_score", 0.5}, {"total_cost", 0.017}, {"errors", 1}}}};
  const auto interval = nlohmann::json{{"low", 0.3}, {"high", 0.7}, {"level", 0.95}, {"method", "wilson"}};
  const auto scorer =
      nlohmann::json{{"mean", 0.5}, {"stderr", 0.125}, {"confidence_interval", interval}, {"n", rows - 1}};
  result["task_results"] =
      nlohmann::json::array({{{"task_id", "questions"},
                              {"score", 0.5},
                              {"stderr", 0.125},
                              {"confidence_interval", interval},
                              {"n", rows - 1},
                              {"samples", rows * epochs},
                              {"errors", 1},
                              {"cost", 0.015},
                              {"usage", {{"prompt_tokens", 100}, {"completion_tokens", 50}}},
                              {"scorers", {{"exact_match", scorer}, {"exact_match,strict-match", scorer}}}},
                             {{"task_id", "essays"},
                              {"score", 0.25},
                              {"stderr", 0.0},
                              {"n", 2},
                              {"samples", 2},
                              {"errors", 0},
                              {"cost", 0.002},
                              {"scorers", {{"f1", {{"mean", 0.25}, {"stderr", 0.0}, {"n", 2}}}}}}});
  out.facts.result = result.dump();
  return out;
}

/// Writes all rows with an exporter, as a driver does.
inline void drive(const report_world& world, const export_options& options, const text_sink& out) {
  auto made = make_exporter(world.facts, options);
  auto& exporter = *made.value();
  exporter.begin(out);
  for (unsigned pass = 0; pass < exporter.passes(); ++pass) {
    for (size_t i = 0; i < world.samples.size(); ++i) {
      const auto& at = world.samples[i].address;
      if (options.unit && !(*options.unit == export_unit{at.task, at.variant}))
        continue;
      const auto* document =
          at.task == 0 && at.sample < world.documents.size() ? &world.documents[at.sample] : nullptr;
      const sample_row row{world.samples[i], [&, i] { return &world.responses[i]; },
                           [document] { return document; }};
      exporter.row(pass, row, out);
    }
    exporter.end_pass(pass, out);
  }
}

inline std::string exported(const report_world& world, const export_options& options) {
  std::string out;
  drive(world, options, [&](std::string_view text) { out += text; });
  return out;
}

inline export_options options_for(export_format format) {
  export_options out;
  out.format = format;
  return out;
}

} // namespace assay::reports::test
