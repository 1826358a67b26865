package io.ruvector.internal;

import java.io.IOException;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodySubscriber;
import java.net.http.HttpTimeoutException;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Flow;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;

/**
 * The body of a response, taken piece by piece by a thread that may wait for each: no more is read
 * from the connection than a few pieces ahead.
 */
public final class BodyQueue implements BodySubscriber<BodyQueue>, AutoCloseable {
  /** Pieces are what one read of a socket brought, up to 16 KiB. */
  private static final int AHEAD = 4;

  /** How long a virtual thread may read without a pause. */
  private static final long TURN_NANOS = 500_000;

  private static final Object END = new Object();

  private final BlockingQueue<Object> arrived = new LinkedBlockingQueue<>();
  private Flow.@Nullable Subscription subscription;
  private boolean closed;
  // Of the thread that reads.
  private long turn = System.nanoTime();

  /**
   * Sends a request; what comes back has its headers, and its body still to be read. The request's
   * own timeout would be one of the body too, from JDK 26 on.
   *
   * @param timeout how long to wait for the headers
   * @throws HttpTimeoutException if that is not enough
   * @throws IOException if the connection fails
   */
  public static HttpResponse<BodyQueue> exchange(
      HttpClient client, HttpRequest request, Duration timeout)
      throws IOException, InterruptedException {
    CompletableFuture<HttpResponse<BodyQueue>> answer =
        client.sendAsync(request, info -> new BodyQueue());
    try {
      return answer.get(Checks.nanos(timeout), TimeUnit.NANOSECONDS);
    } catch (ExecutionException e) {
      throw e.getCause() instanceof IOException failure ? failure : new IOException(e.getCause());
    } catch (TimeoutException e) {
      abandon(answer);
      throw new HttpTimeoutException("no answer within " + timeout);
    } catch (InterruptedException e) {
      abandon(answer);
      throw e;
    }
  }

  private static void abandon(CompletableFuture<HttpResponse<BodyQueue>> answer) {
    // One that has just come would hold its connection.
    if (!answer.cancel(true) && !answer.isCompletedExceptionally()) {
      answer.join().body().close();
    }
  }

  @Override
  public CompletionStage<BodyQueue> getBody() {
    return CompletableFuture.completedStage(this);
  }

  @Override
  public void onSubscribe(Flow.Subscription subscription) {
    if (subscribed(subscription)) {
      subscription.request(AHEAD);
    } else {
      subscription.cancel();
    }
  }

  private synchronized boolean subscribed(Flow.Subscription subscription) {
    this.subscription = subscription;
    return !closed;
  }

  @Override
  public void onNext(List<ByteBuffer> piece) {
    arrived.add(piece);
  }

  @Override
  public void onError(Throwable failure) {
    arrived.add(failure);
  }

  @Override
  public void onComplete() {
    arrived.add(END);
  }

  /** Ends the body with a failure that is not its own, for whoever waits for a piece. */
  public void fail(Throwable failure) {
    arrived.add(failure);
  }

  /**
   * The next piece, or null at the end.
   *
   * @param nanos how long to wait for it
   * @throws HttpTimeoutException if that is not enough
   * @throws IOException if the connection fails
   */
  @SuppressWarnings("unchecked") // lists are pieces
  public @Nullable List<ByteBuffer> next(long nanos) throws IOException, InterruptedException {
    Object next = arrived.poll();
    if (next == null) {
      next = arrived.poll(nanos, TimeUnit.NANOSECONDS);
      turn = System.nanoTime();
    } else {
      letOthersRun();
    }
    return switch (next) {
      case null -> throw new HttpTimeoutException("nothing came");
      case List<?> piece -> {
        Flow.Subscription source = source();
        if (source != null) {
          source.request(1);
        }
        yield (List<ByteBuffer>) piece;
      }
      case IOException failure -> throw failure;
      case RuntimeException failure -> throw failure;
      case Throwable failure -> throw new IOException(failure);
      default -> {
        arrived.add(END);
        yield null;
      }
    };
  }

  /**
   * Pieces that are there as fast as they are taken would keep a virtual thread on its carrier. To
   * yield is not enough: the scheduler takes such a thread up again before those that wake.
   */
  private void letOthersRun() {
    if (System.nanoTime() - turn >= TURN_NANOS && Thread.currentThread().isVirtual()) {
      LockSupport.parkNanos(1);
      turn = System.nanoTime();
    }
  }

  private synchronized Flow.@Nullable Subscription source() {
    return subscription;
  }

  /** Ends the body, for whoever waits for a piece too, and the connection with it. */
  @Override
  public void close() {
    Flow.Subscription source;
    synchronized (this) {
      closed = true;
      source = subscription;
    }
    if (source != null) {
      source.cancel();
    }
    arrived.add(END);
  }
}
