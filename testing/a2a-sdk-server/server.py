"""The server of a2a-sdk (PyPI) on loopback, with a small streaming agent and a signed card: for tests.

usage: server.py [--cut N] [ES256|EdDSA|none [VERSION...]]

With --cut, the connection of the first stream breaks after N events.

Prints its address and the set of its keys on one line, and ends when stdin does. The skills, named in the
message's metadata: echo; stream, with n updates each delay_ms and chunks pieces of an artifact; slow, which works
for ms or until it is cancelled; fail; input, which asks for more; message, which answers at once.
"""
import argparse
import asyncio
import base64
import json
import os
import socket
import sys
import threading

import uvicorn
from a2a.helpers import new_task
from a2a.server.agent_execution import AgentExecutor
from a2a.server.request_handlers import DefaultRequestHandler
from a2a.server.routes import create_agent_card_routes, create_jsonrpc_routes
from a2a.server.tasks import InMemoryTaskStore, TaskUpdater
from a2a.types import (AgentCapabilities, AgentCard, AgentExtension, AgentInterface, AgentProvider, AgentSkill,
                       HTTPAuthSecurityScheme, Message, Part, Role, SecurityRequirement, SecurityScheme, StringList,
                       TaskState)
from a2a.utils.signing import create_agent_card_signer
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from google.protobuf.json_format import MessageToDict, ParseDict
from google.protobuf.struct_pb2 import Struct
from starlette.applications import Starlette

SKILLS = 'echo', 'stream', 'slow', 'fail', 'input', 'message'


def text(value):
    return Part(text=value)


class Agent(AgentExecutor):
    def __init__(self):
        self.cancelled = set()

    async def execute(self, context, queue):
        message = context.message
        skill = MessageToDict(message.metadata).get('skill')
        options = context.metadata or {}
        if skill == 'message':
            await queue.enqueue_event(Message(role=Role.ROLE_AGENT, message_id='m1', parts=[text('at once')]))
            return
        if context.current_task is None:
            await queue.enqueue_event(new_task(context.task_id, context.context_id, TaskState.TASK_STATE_SUBMITTED))
        updater = TaskUpdater(queue, context.task_id, context.context_id)
        say = updater.new_agent_message
        if skill == 'echo':
            await updater.add_artifact(list(message.parts), artifact_id='echo', name='echo', last_chunk=True)
            await updater.complete()
        elif skill == 'stream':
            await self.stream(updater, int(options.get('n', 3)), float(options.get('delay_ms', 0)),
                              int(options.get('chunks', 2)))
        elif skill == 'slow':
            await updater.start_work()
            for _ in range(int(options.get('ms', 1000)) // 10):
                if context.task_id in self.cancelled:
                    return
                await asyncio.sleep(0.01)
            await updater.complete()
        elif skill == 'input':
            await updater.requires_input(say([text('which one?')]))
        else:
            await updater.failed(say([text('boom')]))

    async def stream(self, updater, n, delay_ms, chunks):
        start = asyncio.get_running_loop().time()
        for i in range(n):
            await asyncio.sleep(max(0, start + i * delay_ms / 1e3 - asyncio.get_running_loop().time()))
            await updater.update_status(TaskState.TASK_STATE_WORKING, updater.new_agent_message([text(f'step {i}')]))
        for i in range(chunks):
            await updater.add_artifact([text(f'chunk {i}')], artifact_id='out', name='out', append=i > 0,
                                       last_chunk=i + 1 == chunks)
        await updater.complete()

    async def cancel(self, context, queue):
        self.cancelled.add(context.task_id)
        await TaskUpdater(queue, context.task_id, context.context_id).cancel()


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b'=').decode()


def make_key(algorithm):
    if algorithm == 'ES256':
        key = ec.generate_private_key(ec.SECP256R1())
        numbers = key.public_key().public_numbers()
        jwk = {'kty': 'EC', 'crv': 'P-256', 'x': b64(numbers.x.to_bytes(32, 'big')),
               'y': b64(numbers.y.to_bytes(32, 'big'))}
    else:
        key = ed25519.Ed25519PrivateKey.generate()
        jwk = {'kty': 'OKP', 'crv': 'Ed25519', 'x': b64(key.public_key().public_bytes_raw())}
    return key, {'kid': 'k1', **jwk}


def make_card(url, versions):
    """Has what makes a canonical form differ: defaults, empty values, non-ASCII text, numbers."""
    params = ParseDict({'one': 1.0, 'big': 1e21, 'tiny': 1e-7, 'neg': -0.0, 'esc': '\x01\b"\\/\u2028€', 'none': None,
                        'empty': {}, 'nested': {'é': [1, '', {}], '\U0001f600': True, '\ufb33': False}}, Struct())
    return AgentCard(
        name='standard', description='an agent of tests é😀\t/<>&', version='1.2.3',
        supported_interfaces=[AgentInterface(url=url, protocol_binding='JSONRPC', protocol_version=version)
                              for version in versions],
        provider=AgentProvider(organization='ruvector', url='https://example.com'),
        documentation_url='', capabilities=AgentCapabilities(
            streaming=True, push_notifications=False,
            extensions=[AgentExtension(uri='urn:x', required=False, params=params)]),
        security_schemes={'bearer': SecurityScheme(http_auth_security_scheme=HTTPAuthSecurityScheme(scheme='bearer'))},
        security_requirements=[SecurityRequirement(schemes={'bearer': StringList()})],
        default_input_modes=['text/plain'],
        skills=[AgentSkill(id=skill, name=skill, description='', tags=[skill, '']) for skill in SKILLS])


def cutting(app, events):
    """The application, whose first stream's connection breaks after so many events."""
    left = [events]

    async def cut(scope, receive, send):
        streams = False

        async def send_some(message):
            nonlocal streams
            if message['type'] == 'http.response.start':
                streams = dict(message['headers']).get(b'content-type', b'').startswith(b'text/event-stream')
            elif streams:
                left[0] -= 1
                if left[0] == -1:
                    raise ConnectionError('cut')
            await send(message)

        await app(scope, receive, send_some)

    return cut


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--cut', type=int)
    parser.add_argument('algorithm', nargs='?', default='ES256')
    parser.add_argument('versions', nargs='*')
    arguments = parser.parse_args()
    algorithm = arguments.algorithm
    listener = socket.create_server(('127.0.0.1', 0))
    url = f'http://127.0.0.1:{listener.getsockname()[1]}/'
    card = make_card(url, arguments.versions or ['1.0', '0.3'])
    keys = []
    if algorithm != 'none':
        key, jwk = make_key(algorithm)
        keys.append(jwk)
        create_agent_card_signer(key, {'alg': algorithm, 'kid': 'k1', 'jku': None, 'typ': 'JOSE'})(card)
    handler = DefaultRequestHandler(agent_executor=Agent(), task_store=InMemoryTaskStore(), agent_card=card)
    app = Starlette(routes=[*create_agent_card_routes(card),
                            *create_jsonrpc_routes(handler, '/', enable_v0_3_compat=True)])
    if arguments.cut is not None:
        app = cutting(app, arguments.cut)
    print(url, json.dumps({'keys': keys}), flush=True)
    threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
    uvicorn.Server(uvicorn.Config(app, log_level='error')).run(sockets=[listener])


if __name__ == '__main__':
    main()
