//! rvagent-a2a's own server on loopback, with an agent whose skills are what clients have to cope
//! with. Prints its address and its agent's id on one line, and ends when stdin does.
//!
//! Usage: `rvagent-server [NAME [SEED [MAX_TASKS_PER_MINUTE]]]`
//!
//! | skill | does | metadata |
//! |---|---|---|
//! | `echo` | gives the message back as an artifact | |
//! | `stream` | `n` status updates, one each `delay_us`, then `chunks` pieces of an artifact | all three |
//! | `slow` | works for `ms`, or until it is cancelled | `ms` |
//! | `fail` | fails | |

use std::collections::HashSet;
use std::io::{Read, Write};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use chrono::Utc;
use ed25519_dalek::SigningKey;
use rvagent_a2a::budget::{BudgetLedger, GlobalBudget};
use rvagent_a2a::error::A2aError;
use rvagent_a2a::executor::{Executor, InMemoryRunner, TaskRunner};
use rvagent_a2a::identity::{agent_id_from_pubkey, sign_card};
use rvagent_a2a::server::{A2aServer, A2aServerConfig, A2aState, TaskEvent, emit_status_event};
use rvagent_a2a::types::{
    AgentCapabilities, AgentCard, AgentProvider, AgentSkill, Artifact, AuthScheme, Message, Part,
    Role, Task, TaskArtifactUpdateEvent, TaskSpec, TaskState, TaskStatus, TaskStatusUpdateEvent,
};
use serde_json::{Value, json};

const SKILLS: [&str; 4] = ["echo", "stream", "slow", "fail"];

#[derive(Default)]
struct Agent {
    state: OnceLock<A2aState>,
    cancelled: Mutex<HashSet<String>>,
}

impl Agent {
    fn state(&self) -> &A2aState {
        self.state.get().expect("set before the server listens")
    }

    fn is_cancelled(&self, id: &str) -> bool {
        self.cancelled.lock().expect("no panic").contains(id)
    }

    async fn stream(&self, spec: &TaskSpec) -> Task {
        let number = |name: &str, or: u64| spec.metadata[name].as_u64().unwrap_or(or);
        let delay = Duration::from_micros(number("delay_us", 0));
        // Missed beats are made up for: the pace holds over the whole stream.
        let mut beat = (!delay.is_zero()).then(|| tokio::time::interval(delay));
        for i in 0..number("n", 3) {
            if let Some(beat) = &mut beat {
                beat.tick().await;
            }
            let event = TaskStatusUpdateEvent {
                id: spec.id.clone(),
                status: TaskStatus {
                    message: Some(text(Role::Agent, format!("step {i}"))),
                    ..status(TaskState::Working)
                },
                final_: false,
                metadata: json!({ "i": i }),
            };
            let _ = emit_status_event(self.state(), event).await;
        }
        let chunks = number("chunks", 2);
        let artifacts: Vec<_> = (0..chunks)
            .map(|i| Artifact {
                name: Some("out".into()),
                description: None,
                parts: vec![Part::Text { text: format!("chunk {i}") }],
                index: 0,
                append: i > 0,
                last_chunk: i + 1 == chunks,
                metadata: Value::Null,
            })
            .collect();
        let channel = self.state().streams.read().await.get(&spec.id).cloned();
        for artifact in &artifacts {
            if let Some(channel) = &channel {
                let _ = channel.send(TaskEvent::Artifact(TaskArtifactUpdateEvent {
                    id: spec.id.clone(),
                    artifact: artifact.clone(),
                    metadata: Value::Null,
                }));
            }
        }
        task(spec, TaskState::Completed, artifacts)
    }

    async fn slow(&self, spec: &TaskSpec) -> Task {
        for _ in 0..spec.metadata["ms"].as_u64().unwrap_or(1_000) / 10 {
            if self.is_cancelled(&spec.id) {
                return task(spec, TaskState::Canceled, vec![]);
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        task(spec, TaskState::Completed, vec![])
    }
}

#[async_trait]
impl TaskRunner for Agent {
    async fn run(&self, spec: TaskSpec) -> Result<Task, A2aError> {
        match spec.skill.as_str() {
            "echo" => InMemoryRunner.run(spec).await,
            "stream" => Ok(self.stream(&spec).await),
            "slow" => Ok(self.slow(&spec).await),
            "fail" => Err(A2aError::Internal("boom".into())),
            other => Err(A2aError::NotFound(format!("skill {other}"))),
        }
    }

    async fn cancel(&self, id: &str) -> Result<(), A2aError> {
        self.cancelled.lock().expect("no panic").insert(id.into());
        Ok(())
    }
}

fn status(state: TaskState) -> TaskStatus {
    TaskStatus { state, timestamp: Utc::now(), message: None }
}

fn text(role: Role, text: String) -> Message {
    Message { role, parts: vec![Part::Text { text }], metadata: Value::Null }
}

fn task(spec: &TaskSpec, state: TaskState, artifacts: Vec<Artifact>) -> Task {
    Task {
        id: spec.id.clone(),
        session_id: None,
        status: status(state),
        history: vec![spec.message.clone()],
        artifacts,
        metadata: spec.metadata.clone(),
    }
}

/// Its metadata is what makes signatures break that are checked over re-serialised numbers.
fn card(name: &str, url: &str, key: &SigningKey) -> AgentCard {
    let mut card = AgentCard {
        name: name.into(),
        description: "an agent of tests".into(),
        url: url.into(),
        provider: AgentProvider { organization: "ruvector".into(), url: None },
        version: "0.1.0".into(),
        capabilities: AgentCapabilities { streaming: true, push_notifications: false },
        skills: SKILLS
            .iter()
            .map(|&skill| AgentSkill {
                id: skill.into(),
                name: skill.into(),
                description: format!("{skill} é😀\t/<>&"),
                tags: vec![],
                input_modes: vec!["text/plain".into()],
                output_modes: vec![],
            })
            .collect(),
        authentication: AuthScheme::default(),
        metadata: json!({ "ruvector": {
            "agent_id": agent_id_from_pubkey(&key.verifying_key()).0,
            "one": 1.0, "neg": -0.0, "big": 1e21, "esc": "\u{1}\u{8}\"\\/\u{7f}",
        } }),
    };
    let signature = sign_card(&card, key).expect("a card can be signed");
    card.metadata["ruvector"]["signature"] = json!(signature);
    card
}

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let name = arguments.next().unwrap_or("peer".into());
    let seed = arguments.next().map_or(7, |s| s.parse().expect("SEED is a byte"));
    let max_tasks_per_minute =
        arguments.next().map(|m| m.parse().expect("MAX_TASKS_PER_MINUTE is a number"));

    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("bound"));
    let key = SigningKey::from_bytes(&[seed; 32]);
    let card = card(&name, &url, &key);
    let bytes = serde_json::to_vec(&card).expect("a card is JSON");
    let agent = Arc::new(Agent::default());
    let budget = GlobalBudget { max_tasks_per_minute, ..GlobalBudget::default() };
    let server = A2aServer::new(
        card,
        bytes,
        Arc::new(Executor::Local(agent.clone())),
        Arc::new(BudgetLedger::new(budget)),
        A2aServerConfig::default(),
    );
    assert!(agent.state.set(server.state().clone()).is_ok());

    println!("{url} {}", agent_id_from_pubkey(&key.verifying_key()));
    std::io::stdout().flush().expect("whoever started this reads it");
    std::thread::spawn(|| {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(0);
    });
    axum::serve(listener, server.router()).await.expect("the listener stays");
}
